"""A new key for pseudonyms: everybody stays joined, nobody is found by the old one, nothing else moves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from contracts.errors import KeyOutdated, RotationPending, TerminalError
from contracts.pseudonyms import PATTERN, version_of
from contracts.settings import CurationSettings, RetentionSettings, Settings
from contracts.tables import TABLES
from curation.erasure.place import Place, Subject
from curation.erasure.run import Erased, erase
from curation.judge.base import make_judge
from curation.nightly import DropResult, make_drop
from curation.rekeying.rotate import Rotated, is_settled, rotate, standing
from curation.retention.holds import held_back, place_hold
from sinks.audits import revoked
from sinks.audits import user as audited
from sinks.erasure.storage import is_data, row_groups, table_files
from sinks.lake import Lake
from sinks.pseudonyms import COLUMNS
from sinks.transactions import append_messages
from streams.identity import Identity
from tests.curation.dialogues import Events, edited, regenerated, turned_out
from tests.curation.erasure.world import Killed
from tests.drop_files import files_of
from tests.factories import START, at, consent_event
from tests.lakes import ingest

NOW_US = 1_900_000_000_000_000
FIRST, SECOND, THIRD = b"test", b"the second key", b"the third key"
SEED = CurationSettings().seed
NAMES = ("anna-0001", "bert-0002", "carl-0003", "dora-0004", "emil-0005")


def identity(*keys: bytes) -> Identity:
    return Identity(keys, held_out_share=0.0, seed=SEED)


def events() -> Events:
    """Five people; Carl takes his consent back."""
    found: Events = []
    for n, name in enumerate(NAMES):
        found += regenerated(name) if n % 2 else edited(name, response=f"It is the town number {n}, surely.")
        found += turned_out(name, False)
    revoked = consent_event("revoked", seconds=500, user_id="user-carl-0003", granted=False)
    return [*found, ("consent", revoked)]


@dataclass
class World:
    """A home, and the keys its processes have."""

    home: Path
    keys: list[bytes] = field(default_factory=lambda: [FIRST])
    offset: int = 0
    built: DropResult | None = None

    def __post_init__(self) -> None:
        self.settings = Settings(
            home=self.home,
            curation=CurationSettings(control_share=0.0, near_duplicate=1.0, validation_share=0.5),
            retention=RetentionSettings(grace_seconds=0),
        )
        self.lake.create()

    @property
    def lake(self) -> Lake:
        """As a process that starts now opens it."""
        return Lake(self.home / "lake", hashes=lambda: identity(*self.keys))

    def ingest(self, given: Events, *, lake: Lake | None = None, first_offset: int | None = None) -> None:
        start = self.offset if first_offset is None else first_offset
        ingest(lake or self.lake, given, first_offset=start)
        self.offset = max(self.offset, start + len(given))

    def rotate(self, key: bytes = SECOND, **options: Any) -> Rotated:
        if key not in self.keys:
            self.keys.append(key)
        return rotate(self.lake, identity(*self.keys), self.settings, **options)

    def drop(self) -> DropResult:
        judge = make_judge(self.settings.judge, curation=self.settings.curation)
        return make_drop(self.lake, self.settings.drops_root, self.settings, judge, now_us=NOW_US)

    def subject(self, user: str) -> Subject:
        key = identity(*self.keys).user_key(user)
        return Subject(key, user, tuple(identity(*self.keys).former(key, user)))

    def erase(self, user: str) -> Erased:
        return erase(Place(self.lake, self.settings, identity(*self.keys)), self.subject(user))

    def rows(self) -> dict[str, pl.DataFrame]:
        """All rows of every table, in a fixed order, but for what a rotation changes."""
        found = {}
        for name in TABLES:
            rows = self.lake.scan(name).collect()
            rows = rows.drop([c for c in ("user_key", "id_hash") if c in rows.columns])
            found[name] = rows[rows.hash_rows(0).arg_sort()]
        return found

    def keys_of(self, name: str, *, live: bool = True) -> set[str]:
        """Pseudonyms or kept hashes in the files of a table."""
        files, table = table_files(self.lake, name), self.lake.table(name)
        paths = {uri.partition(f"/{name}/")[2] for uri in table.file_uris()}
        found: set[str] = set()
        for file in files.all():
            if is_data(file.path) and (file.path in paths) == live:
                for rows in row_groups(files, file.path, [COLUMNS[name]]):
                    found |= set(rows[COLUMNS[name]].drop_nulls())
        return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """With all events, and a drop of them. Not to be changed: see `world`."""
    made = World(tmp_path_factory.mktemp("built"))
    made.ingest(events())
    made.built = made.drop()
    return made


@pytest.fixture
def world(built: World, tmp_path: Path) -> World:
    """A copy of it."""
    shutil.copytree(built.home, tmp_path, dirs_exist_ok=True)
    return World(tmp_path, offset=built.offset, built=built.built)


def built_in(world: World) -> DropResult:
    assert world.built is not None
    return world.built


def sides(world: World, drop: DropResult) -> dict[str, str]:
    rows = world.lake.scan("examples").filter(drop_id=drop.drop_id).collect()
    return dict(rows.select(pl.col("session_id"), "split").iter_rows())


def refusals(world: World, drop: DropResult) -> dict[str, str]:
    rows = world.lake.scan("quarantine").filter(drop_id=drop.drop_id).collect()
    return {row["request_ids"][0]: row["reason"] for row in rows.iter_rows(named=True)}


def test_every_table_is_under_the_new_key_and_nothing_else_changed(world: World) -> None:
    world.erase("user-dora-0004")
    place_hold(world.lake, "user", identity(FIRST).user_key("user-bert-0002"), "a court", now=START)
    before = world.rows()
    held = {name: world.keys_of(name) for name in COLUMNS}
    done = world.rotate()
    assert done.version == 2
    filled = {name for name, keys in held.items() if keys}
    assert {name for name, count in done.rows.items() if count} == filled
    assert filled >= {"requests", "consents", "examples", "erasures", "erased_ids", "legal_holds"}
    both = identity(FIRST, SECOND)
    for name, keys in held.items():
        raise_one = both.raised_hash if name == "erased_ids" else both.raised
        now = world.keys_of(name)
        assert now == {raise_one(key) for key in keys}
        assert not now & keys
        assert {version_of(key) for key in now} <= {2}
    after = world.rows()
    assert before.keys() == after.keys()
    assert all(before[name].equals(after[name]) for name in before)
    assert is_settled(world.lake, 2)
    assert all(PATTERN.fullmatch(key) for key in world.keys_of("requests"))
    # Whoever has the old key alone finds nobody.
    assert not {identity(FIRST).user_key(f"user-{name}") for name in NAMES} & world.keys_of("requests")
    assert not {identity(SECOND).user_key(f"user-{name}") for name in NAMES} & world.keys_of("requests")


def test_people_stay_who_they_are(world: World) -> None:
    first = built_in(world)
    assert refusals(world, first)["request-carl-0003"] == "consent_revoked"
    world.rotate()
    second = world.drop()
    assert second.drop_id != first.drop_id
    assert refusals(world, second)["request-carl-0003"] == "consent_revoked"
    # Not a byte of what is trained on depends on the key.
    trained = [
        {name: data for name, data in files_of(drop.folder).items() if name.endswith(("parquet", "jsonl"))}
        for drop in (first, second)
    ]
    assert trained[0] == trained[1]
    assert trained[0]
    kept = sides(world, first)
    assert len(set(kept.values())) == 2
    assert sides(world, second) == kept
    world.ingest(edited("bert-0002", request_id="request-bert-later", session_id="later", seconds=900))
    assert world.lake.scan("requests").collect()["user_key"].n_unique() == len(NAMES)
    found = audited(world.lake, identity(FIRST, SECOND).user_key("user-bert-0002"))
    assert found["tables"]["requests"] == 3
    assert revoked(world.lake, at(10_000)).rows.height == 0


def test_a_revocation_after_the_rotation_is_of_the_same_person(world: World) -> None:
    drop = built_in(world)
    world.rotate()
    gone = consent_event("later", seconds=600, user_id="user-anna-0001", granted=False)
    world.ingest([("consent", gone)], lake=world.lake)
    rows = revoked(world.lake, at(10_000)).rows
    assert set(rows["drop_id"]) == {drop.drop_id}
    assert set(rows["user_key"]) == {identity(FIRST, SECOND).user_key("user-anna-0001")}


def test_an_erased_person_stays_out(world: World) -> None:
    assert world.erase("user-anna-0001").absent
    world.rotate()
    mine = [event for event in events() if "anna" in str(event)]
    lake = world.lake
    lake.tombstones.refresh(lake)
    rows = pl.DataFrame({"user_key": [identity(*world.keys).user_key("user-anna-0001"), "other", None]})
    assert lake.tombstones.hits("consents", rows).to_list() == [True, False, False]
    with pytest.raises(Exception, match="erased"):
        world.ingest(mine)
    # What names no user is known by its kept hash.
    outcomes = pl.DataFrame({"request_id": ["request-anna-0001", "request-bert-0002"]})
    assert lake.tombstones.hits("outcomes", outcomes).to_list() == [True, False]
    # An older process, which has not met the new key, knows them as well.
    old = pl.DataFrame({"user_key": [identity(FIRST).user_key("user-anna-0001")]})
    assert lake.tombstones.hits("consents", old).to_list() == [True]
    again = world.erase("user-anna-0001")
    assert again.again
    assert again.absent


def test_who_is_erased_after_a_rotation_goes_from_older_files_too(world: World) -> None:
    world.rotate()
    old = identity(FIRST).user_key("user-bert-0002")
    assert old in world.keys_of("consents", live=False) | world.keys_of("requests", live=False)
    done = world.erase("user-bert-0002")
    assert done.absent
    assert done.certificate["tables"]["requests"]["removed"] == 2
    for name in COLUMNS:
        assert old not in world.keys_of(name, live=False) | world.keys_of(name)
    assert "bert" not in str(world.rows())


def test_by_pseudonym_alone_too(world: World) -> None:
    world.rotate()
    key = identity(*world.keys).user_key("user-carl-0003")
    done = erase(Place(world.lake, world.settings, identity(*world.keys)), Subject(key))
    assert done.absent
    assert identity(FIRST).user_key("user-carl-0003") not in world.keys_of("consents", live=False)


def test_a_hold_holds_the_same_person(world: World) -> None:
    place_hold(world.lake, "user", identity(FIRST).user_key("user-bert-0002"), "a court", now=START)
    world.rotate()
    _, (owner,) = held_back(world.lake, identity(*world.keys).user_key)
    assert owner.user_key == identity(*world.keys).user_key("user-bert-0002")
    assert owner.owns("requests", world.lake.scan("requests").collect()).sum() == 2
    with pytest.raises(TerminalError, match="legal hold"):
        world.erase("user-bert-0002")


STEPS = ("fenced:requests", "fenced:erased_ids", "rewritten:requests")


@pytest.mark.parametrize("at_step", STEPS)
def test_killed_anywhere_it_reads_as_one_and_goes_on(world: World, at_step: str) -> None:

    def die(step: str) -> None:
        if step == at_step:
            raise Killed

    with pytest.raises(Killed):
        world.rotate(step=die)
    assert not is_settled(world.lake, 2)
    whole = {name: {version_of(k) for k in keys} for name in COLUMNS if (keys := world.keys_of(name))}
    assert {1} in whole.values()
    if at_step != "fenced:requests":
        read = world.lake.scan("requests").collect()["user_key"]
        assert {version_of(key) for key in read} == {2}
        both = (
            world.lake.interactions()
            .collect()
            .join(world.lake.requests().collect(), on=["request_id", "user_key"], how="semi")
        )
        assert both.height == world.lake.requests().collect().height
    world.rotate()
    assert is_settled(world.lake, 2)
    assert world.lake.scan("requests").collect()["user_key"].n_unique() == len(NAMES)
    assert all(each.older == 0 for each in standing(world.lake, 2))


def test_once_done_it_changes_nothing_more(world: World) -> None:
    world.rotate()
    versions = {name: world.lake.version(name) for name in COLUMNS}
    assert world.rotate().rows == {}
    assert {name: world.lake.version(name) for name in COLUMNS} == versions


def test_rows_of_a_worker_that_knows_no_keys_are_found_and_mended(world: World) -> None:
    world.rotate()
    row = world.lake.scan("signals").collect().head(1)
    row = row.with_columns(
        user_key=pl.lit(identity(FIRST).user_key("user-bert-0002")), event_id=pl.lit("older")
    )
    # As an earlier release commits: without a look at the properties.
    write_deltalake(world.lake.uri("signals"), row, mode="append", partition_by="date")
    assert not is_settled(world.lake, 2)
    assert world.rotate().rows == {"signals": 1}
    assert is_settled(world.lake, 2)


def test_a_third_key_follows_the_second(world: World) -> None:
    kept = sides(world, built_in(world))
    world.rotate()
    world.rotate(THIRD)
    assert {version_of(key) for key in world.keys_of("requests")} == {3}
    assert sides(world, world.drop()) == kept
    world.ingest(edited("anna-0001", request_id="request-anna-later", session_id="later", seconds=900))
    assert world.lake.scan("requests").collect()["user_key"].n_unique() == len(NAMES)


def stale_rows(keys: tuple[bytes, ...]) -> Callable[[World], None]:
    """Appends a signal hashed with these keys, by a process that opened the lake with them."""

    def write(world: World) -> None:
        lake = Lake(world.home / "lake", hashes=lambda: identity(*keys))
        row = world.lake.scan("signals").collect().head(1)
        row = row.with_columns(
            user_key=pl.lit(identity(*keys).user_key("user-bert-0002")),
            event_id=pl.lit("from afar"),
            offset=pl.lit(9_000, dtype=pl.Int64),
        )
        append_messages(lake, "signals", "user.signals@afar", row)

    return write


def test_a_writer_without_the_key_is_stopped(world: World) -> None:
    world.rotate()
    before = world.lake.scan("signals").collect().height
    with pytest.raises(KeyOutdated, match="key 2"):
        stale_rows((FIRST,))(world)
    assert world.lake.scan("signals").collect().height == before


def test_a_writer_ahead_of_the_lake_waits(world: World) -> None:
    with pytest.raises(RotationPending, match="the lake is under key 1"):
        stale_rows((FIRST, SECOND))(world)
    world.rotate()
    stale_rows((FIRST, SECOND))(world)
    assert "from afar" in world.lake.scan("signals").collect()["event_id"]


def test_a_writer_under_way_is_brought_under_the_new_key(world: World) -> None:
    """Its process began before the rotation, and reads the same keys."""
    lake = world.lake
    assert lake.scan("signals").collect().height
    began = identity(FIRST)
    row = lake.scan("signals").collect().head(1)
    rows = [
        row.with_columns(
            user_key=pl.lit(began.user_key("user-bert-0002")),
            event_id=pl.lit(name),
            offset=pl.lit(offset, dtype=pl.Int64),
        )
        for name, offset in (("between", 9_000), ("after", 9_001))
    ]

    def write(step: str) -> None:
        if step == "fenced:signals":
            append_messages(lake, "signals", "user.signals@here", rows[0])

    world.rotate(step=write)
    append_messages(lake, "signals", "user.signals@here", rows[1])
    # Exactly once, as ever.
    assert append_messages(lake, "signals", "user.signals@here", rows[1]) == 0
    found = world.lake.scan("signals").filter(pl.col("event_id").is_in(["between", "after"])).collect()
    assert set(found["user_key"]) == {identity(FIRST, SECOND).user_key("user-bert-0002")}
    assert found.height == 2
    assert {version_of(key) for key in world.keys_of("signals")} == {2}


def test_old_files_go_at_once_when_asked_to(world: World) -> None:
    drop = built_in(world)
    done = world.rotate(purge=True)
    assert done.files["requests"] > 0
    assert drop.drop_id in done.unbuildable
    for name in COLUMNS:
        assert {version_of(key) for key in world.keys_of(name, live=False)} <= {2}
    assert world.lake.requests().collect().height == 7


def test_an_unfinished_erasure_comes_first(world: World) -> None:
    def die(step: str) -> None:
        if step == "tables":
            raise Killed

    place = Place(world.lake, world.settings, identity(FIRST), step=die)
    with pytest.raises(Killed):
        erase(place, world.subject("user-anna-0001"))
    with pytest.raises(TerminalError, match="unfinished"):
        world.rotate()
    world.keys = [FIRST]
    assert world.erase("user-anna-0001").absent
    world.rotate()
    assert is_settled(world.lake, 2)


def test_a_lake_that_is_made_later_begins_with_the_key_in_force(tmp_path: Path) -> None:
    world = World(tmp_path, keys=[FIRST, SECOND])
    world.ingest(edited("anna-0001"))
    assert {version_of(key) for key in world.keys_of("requests") or {"x"}} == {1} or is_settled(world.lake, 2)
    assert is_settled(world.lake, 2)
