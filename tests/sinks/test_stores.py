"""Tables with texts in a store of their own: who may not read it still has all the figures."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from contracts.errors import SettingsError, TransientError
from contracts.sections.lake import StoreSettings
from contracts.settings import CurationSettings, LakeSettings, RetentionSettings, Settings
from contracts.tables import TABLES
from contracts.tables.texts import TEXT_TABLES
from curation.erasure.place import Place, Subject
from curation.erasure.plan import plan
from curation.erasure.run import erase
from curation.judge.base import make_judge
from curation.nightly import DropResult, make_drop
from curation.settle import settle
from sinks.audits import breakdown, revoked
from sinks.audits import user as audited
from sinks.erasure.storage import table_files
from sinks.lake import Lake
from sinks.maintenance_history import vacuum
from sinks.stores import StoreUnavailable
from streams.identity import Identity
from tests.curation.dialogues import edited, regenerated, turned_out
from tests.drop_files import files_of
from tests.lakes import HORIZON_US, ingest
from tests.stores.s3 import REGION
from tests.warm.process import CHECKOUT

NOW_US = 1_900_000_000_000_000
NOBODY = 65534
EVENTS = edited("anna-0001") + turned_out("anna-0001", False) + regenerated("bert-0002")
IDENTITY = Identity(b"test", held_out_share=0.0)


def settings(home: Path, **lake: Any) -> Settings:
    return Settings(
        home=home,
        lake=LakeSettings(**{"root": str(home / "lake"), **lake}),
        curation=CurationSettings(control_share=0.0),
        retention=RetentionSettings(grace_seconds=0),
    )


def opened(given: Settings) -> Lake:
    options, stores = given.lake.storage_options, given.lake.stores
    return Lake(given.lake_root, storage_options=options, stores=stores, hashes=lambda: IDENTITY)


def filled(given: Settings) -> DropResult:
    """Join, settle, build, as a deployment with these settings does."""
    lake = opened(given)
    lake.create()
    ingest(lake, EVENTS)
    settle(lake, horizon_us=HORIZON_US, now_us=NOW_US)
    judge = make_judge(given.judge, curation=given.curation)
    return make_drop(lake, given.drops_root, given, judge, now_us=NOW_US)


@pytest.fixture(scope="module")
def homes() -> Iterator[tuple[Path, Path]]:
    """One home on one root, one with its texts elsewhere; below a folder every user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder / "one", folder / "split"
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def split(homes: tuple[Path, Path]) -> Settings:
    home = homes[1]
    return settings(
        home, stores={"text": {"root": str(home / "texts"), "storage_options": {"key": "s3cret"}}}
    )


@pytest.fixture(scope="module")
def built(homes: tuple[Path, Path], split: Settings) -> tuple[DropResult, DropResult]:
    """The drop of each home."""
    return filled(settings(homes[0])), filled(split)


@contextmanager
def without_texts(given: Settings) -> Iterator[None]:
    """As a process that has no right to the store of texts."""
    texts = Path(given.lake.stores["text"].root)
    before = texts.stat().st_mode
    texts.chmod(0o700 if os.geteuid() == 0 else 0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        texts.chmod(before)


def test_a_lake_on_two_roots_makes_the_same_drop(
    built: tuple[DropResult, DropResult], homes: tuple[Path, Path]
) -> None:
    one, split = built
    assert one.drop_id == split.drop_id
    assert files_of(one.folder) == files_of(split.folder)
    assert split.preference_rows > 0
    tables = {path.parent.name for path in (homes[1] / "texts").glob("*/_delta_log")}
    assert tables == set(TEXT_TABLES)
    assert {p.parent.name for p in (homes[1] / "lake").glob("*/_delta_log")} == set(TABLES) - set(TEXT_TABLES)


def test_figures_need_no_right_to_texts(built: tuple[DropResult, DropResult], split: Settings) -> None:
    with without_texts(split):
        lake = opened(split).require()
        assert lake.interactions().collect().height == 3
        assert lake.interactions().select("failure_score").collect()["failure_score"].is_not_null().all()
        assert lake.watermarks()
        assert lake.scan("drops").collect()["drop_id"].to_list() == [built[1].drop_id]
        assert breakdown(lake, built[1].drop_id, "source").height > 0
        assert revoked(lake, datetime.now(UTC)).rows.is_empty()
        found = audited(lake, IDENTITY.user_key("user-bert-0002"))
        held = {name: rows for name, rows in found["tables"].items() if rows}
        assert (held["interactions"], held["examples"]) == (2, 1)
        unread = {name for name, rows in found["tables"].items() if rows is None}
        assert {"requests", "signals", "preferences"} < unread
        assert not unread & {"consents", "examples", "quarantine"}
        assert [each["drop_id"] for each in found["drops"]] == [built[1].drop_id]


def test_a_text_table_names_the_store_it_needs(built: tuple[DropResult, DropResult], split: Settings) -> None:
    assert built
    with without_texts(split):
        lake = opened(split)
        for ask in (
            lambda: lake.requests(),
            lambda: lake.exists("signals"),
            lambda: lake.version("requests"),
        ):
            with pytest.raises(StoreUnavailable, match=r"store text at .*texts") as caught:
                ask()
            assert "lake.stores.text" in (caught.value.hint or "")
            assert "s3cret" not in f"{caught.value}"
            assert isinstance(caught.value, TransientError)


def test_nobody_is_said_to_be_gone_from_tables_that_cannot_be_read(
    built: tuple[DropResult, DropResult], split: Settings
) -> None:
    assert built
    anna = Subject(IDENTITY.user_key("user-anna-0001"), "user-anna-0001")
    with without_texts(split):
        lake = opened(split)
        with pytest.raises(StoreUnavailable):
            plan(Place(lake, split, IDENTITY), anna)


def test_a_store_that_is_away_is_not_made_anew(split: Settings, built: tuple[DropResult, DropResult]) -> None:
    assert built
    texts = Path(split.lake.stores["text"].root)
    away = texts.rename(texts.with_name("away"))
    try:
        with pytest.raises(StoreUnavailable):
            opened(split).exists("requests")
        with pytest.raises(StoreUnavailable):
            opened(split).scan("requests")
        assert not texts.exists()
    finally:
        away.rename(texts)


def test_everything_that_touches_files_goes_to_the_right_store(
    built: tuple[DropResult, DropResult], split: Settings, homes: tuple[Path, Path]
) -> None:
    lake = opened(split)
    for name in ("requests", "interactions"):
        names = {file.path for file in table_files(lake, name).all()}
        here = homes[1] / ("texts" if name in TEXT_TABLES else "lake") / name
        assert names == {p.relative_to(here).as_posix() for p in here.rglob("*") if p.is_file()}
    later = round((datetime.now(UTC) + timedelta(days=90)).timestamp() * 1_000_000)
    assert vacuum(lake, "requests", split.lake, now_us=later, dry_run=True) == []
    done = erase(Place(lake, split, IDENTITY), Subject(IDENTITY.user_key("user-anna-0001"), "user-anna-0001"))
    assert done.absent
    assert done.certificate["tables"]["requests"]["removed"] == 1
    assert done.certificate["tables"]["interactions"]["removed"] == 1
    # The scan read both stores, and neither of them twice.
    scanned = done.certificate["scan"]["files"]
    assert scanned < sum(1 for p in homes[1].rglob("*") if p.is_file()) + 5
    assert built[1].drop_id in done.certificate["drops"]


def test_tables_may_move_with_their_folders(homes: tuple[Path, Path], built: tuple[Any, Any]) -> None:
    assert built
    home = homes[0]
    kept = Lake(home / "lake").requests().collect()
    for name in TEXT_TABLES:
        shutil.copytree(home / "lake" / name, home / "moved" / name)
        shutil.rmtree(home / "lake" / name)
    moved = opened(settings(home, stores={"text": {"root": str(home / "moved")}}))
    assert moved.requests().collect().equals(kept)
    moved.create()
    assert not (home / "lake" / "requests").exists()


def test_a_single_table_may_have_its_own_store_and_processes_take_it_along(tmp_path: Path) -> None:
    given = settings(
        tmp_path,
        stores={"text": {"root": str(tmp_path / "t")}, "dead_letters": {"root": str(tmp_path / "d")}},
    )
    lake = pickle.loads(pickle.dumps(Lake(given.lake_root, stores=given.lake.stores)))
    assert Path(lake.uri("dead_letters")) == tmp_path / "d" / "dead_letters"
    assert Path(lake.uri("requests")) == tmp_path / "t" / "requests"
    assert Path(lake.uri("drops")) == tmp_path / "lake" / "drops"
    assert "options" not in repr(lake.stores.of("requests"))


def test_a_store_of_no_table_is_refused(tmp_path: Path) -> None:
    given = settings(tmp_path, stores={"requestz": {"root": str(tmp_path / "t")}})
    with pytest.raises(SettingsError, match="requestz"):
        opened(given)


SERVE = """
import sys
from tests.stores.s3 import Key, s3_store
with s3_store({f"{b}-key": Key(f"{b}-secret", {b}) for b in ("figures", "texts")}) as store:
    print(store.url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def two_buckets() -> Iterator[dict[str, dict[str, str]]]:
    """Storage options by bucket, each with the key of that bucket alone. In a process of its own: deltalake
    holds the interpreter while it looks whether there is a table."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        try:
            yield {
                bucket: {
                    "AWS_ACCESS_KEY_ID": f"{bucket}-key",
                    "AWS_SECRET_ACCESS_KEY": f"{bucket}-secret",
                    "AWS_ENDPOINT_URL": url,
                    "AWS_REGION": REGION,
                    "AWS_ALLOW_HTTP": "true",
                }
                for bucket in ("figures", "texts")
            }
        finally:
            server.stdin.close()


def test_two_buckets_with_two_keys(built: tuple[DropResult, DropResult], tmp_path: Path) -> None:
    with two_buckets() as keys:

        def given(of_texts: str) -> Settings:
            apart = StoreSettings.model_validate(
                {"root": "s3://texts/lake", "storage_options": keys[of_texts]}
            )
            return settings(
                tmp_path, root="s3://figures/lake", storage_options=keys["figures"], stores={"text": apart}
            )

        made = filled(given("texts"))
        assert files_of(made.folder) == files_of(built[0].folder)
        for name in TABLES:
            bucket = "texts" if name in TEXT_TABLES else "figures"
            assert DeltaTable.is_deltatable(f"s3://{bucket}/lake/{name}", storage_options=keys[bucket])
        # With the key of the figures alone.
        lake = opened(given("figures")).require()
        assert lake.interactions().collect().height == 3
        for ask in (lambda: lake.requests(), lambda: lake.exists("signals")):
            with pytest.raises(StoreUnavailable, match="store text at s3://texts/lake") as caught:
                ask()
            assert "secret" not in f"{caught.value} {caught.value.hint}"
        erased = erase(
            Place(opened(given("texts")), given("texts"), IDENTITY),
            Subject(IDENTITY.user_key("user-anna-0001"), "user-anna-0001"),
        )
        assert erased.absent
