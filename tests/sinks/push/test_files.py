"""Pushing to a folder and to an object store: whole or not there, never sent twice, never overwritten."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import DropInvalid, PushRefused, PushUnavailable, SettingsError
from sinks.drops.manifest import verify
from sinks.drops.marks import mark_superseded
from sinks.push.copies import copies_of
from sinks.push.destination import parse
from sinks.push.files import FileTarget
from sinks.push.folder import UNFINISHED, Folder
from sinks.push.objects import Objects
from sinks.push.parcel import Piece
from sinks.push.target import Options, Sent
from sinks.push.targets import target_for
from tests.drop_files import files_of
from tests.sinks.push.conftest import Home
from tests.stores.s3 import Fault, Key, S3Store, s3_store

BUCKET = "s3://copies/team"


class Place:
    """A destination of either kind: its URL and what is in it."""

    def __init__(self, url: str, store: S3Store | None) -> None:
        self.url, self.store = url, store

    def files(self) -> dict[str, bytes]:
        return self.store.files("copies/team/") if self.store else files_of(Path(self.url))

    def write(self, name: str, data: bytes) -> None:
        if self.store:
            self.store.objects[f"copies/team/{name}"] = type(next(iter(self.store.objects.values())))(
                data, '"x"'
            )
        else:
            (Path(self.url) / name).write_bytes(data)


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Place(str(tmp_path / "elsewhere"), None)
    return Place(BUCKET, request.getfixturevalue("s3"))


def test_a_copy_is_the_drop_and_a_second_push_sends_nothing(home: Home, place: Place) -> None:
    drop = home.publish()
    dry = home.push(drop, place.url, dry_run=True)
    assert len(dry.sent) == 7
    assert place.files() == {}
    first = home.push(drop, place.url)
    expected = {f"{drop}/{name}": data for name, data in files_of(home.folder(drop)).items()}
    assert place.files() == {**expected, "LATEST": f"{drop}\n".encode()}
    assert (len(first.sent), first.kept, first.moved) == (7, (), True)
    assert first.sent[-1].name == "manifest.json"
    second = home.push(drop, place.url)
    assert (second.sent, len(second.kept), second.moved) == ((), 7, False)
    (copy,) = copies_of(home.lake, [drop])
    assert (copy["destination"], copy["whole"]) == (place.url, True)
    assert sorted(home.lake.scan("pushes").collect()["state"]) == ["begun", "complete"]


def test_what_is_missing_is_sent_and_the_rest_is_not(home: Home, place: Place) -> None:
    drop = home.publish()
    home.push(drop, place.url)
    gone = f"{drop}/preference/train.parquet"
    if place.store:
        del place.store.objects[f"copies/team/{gone}"]
        place.store.calls.clear()
    else:
        (Path(place.url) / gone).unlink()
    again = home.push(drop, place.url)
    assert [piece.name for piece in again.sent] == ["preference/train.parquet"]
    assert place.files()[gone] == (home.folder(drop) / "preference/train.parquet").read_bytes()
    assert not place.store or place.store.calls["PUT"] == 1


def test_other_content_is_refused_by_name_and_left_alone(home: Home, place: Place) -> None:
    drop = home.publish()
    home.push(drop, place.url)
    size = (home.folder(drop) / "README.md").stat().st_size
    place.write(f"{drop}/README.md", b"x" * size)
    place.write(f"{drop}/notes.txt", b"mine")
    before = place.files()
    with pytest.raises(PushRefused, match=r"README\.md") as caught:
        home.push(drop, place.url)
    assert "notes.txt" in str(caught.value)
    assert place.files() == before


def test_the_pointer_never_goes_back(home: Home, place: Place) -> None:
    old, middle, new = (home.publish(number) for number in (1, 2, 3))
    other = home.publish(4, channel="support")
    assert home.push(middle, place.url).moved
    assert not home.push(old, place.url).moved
    assert not home.push(new, place.url, point=False).moved
    assert place.files()["LATEST"] == f"{middle}\n".encode()
    assert home.push(new, place.url).moved
    assert home.push(other, place.url).moved
    assert place.files()["LATEST"] == f"{new}\n".encode()
    assert place.files()["LATEST.support"] == f"{other}\n".encode()


def test_a_damaged_or_superseded_drop_is_not_pushed(home: Home, place: Place) -> None:
    drop, successor = home.publish(1), home.publish(2)
    (home.folder(successor) / "README.md").write_text("changed")
    with pytest.raises(DropInvalid, match=r"README\.md: its bytes changed"):
        home.push(successor, place.url)
    now = datetime(2026, 11, 25, tzinfo=UTC)
    mark_superseded(home.lake, drop, successor, reason="erasure", removed_rows=1, models=[], now=now)
    with pytest.raises(DropInvalid, match="superseded") as caught:
        home.push(drop, place.url)
    assert successor in (caught.value.hint or "")
    assert place.files() == {}
    assert copies_of(home.lake, [drop, successor]) == []


def test_a_drop_superseded_while_it_is_pushed_is_said_to_be(home: Home, tmp_path: Path) -> None:
    drop, successor = home.publish(1), home.publish(2)
    url = str(tmp_path / "elsewhere")

    class Erasing(Folder):
        def put(self, name: str, piece: Piece, sent: Sent) -> bool:
            now = datetime(2026, 11, 25, tzinfo=UTC)
            mark_superseded(home.lake, drop, successor, reason="erasure", removed_rows=1, models=[], now=now)
            return super().put(name, piece, sent)

    with pytest.raises(DropInvalid, match="superseded while") as caught:
        home.push(drop, url, FileTarget(Erasing(Path(url)), Options()))
    assert "Delete that copy" in (caught.value.hint or "")
    assert [copy["whole"] for copy in copies_of(home.lake, [drop])] == [True]


def test_pushes_of_one_drop_at_once_agree(home: Home, place: Place) -> None:
    drop = home.publish()
    start = threading.Barrier(3)

    def go(_: int) -> Any:
        start.wait(20)
        return home.push(drop, place.url)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(go, range(3)))
    assert all(len(each.sent) + len(each.kept) == 7 for each in done)
    assert {n.partition("/")[2]: d for n, d in place.files().items() if "/" in n} == files_of(
        home.folder(drop)
    )
    assert home.lake.scan("pushes").collect().height == 2


def test_wrong_bytes_on_arrival_are_noticed(home: Home, tmp_path: Path) -> None:
    drop = home.publish()
    url = str(tmp_path / "elsewhere")

    class Lossy(Folder):
        def put(self, name: str, piece: Piece, sent: Sent) -> bool:
            new = super().put(name, piece, sent)
            if name.endswith("train.parquet"):
                (self._root / name).write_bytes(b"\0" * piece.bytes)
            return new

    with pytest.raises(PushRefused, match=r"train\.parquet does not hold what was sent"):
        home.push(drop, url, FileTarget(Lossy(Path(url)), Options()))
    assert not (Path(url) / drop / "manifest.json").exists()
    assert [copy["whole"] for copy in copies_of(home.lake, [drop])] == [False]


def test_a_folder_is_swept_of_unfinished_files_and_verifies(home: Home, tmp_path: Path) -> None:
    drop = home.publish()
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / drop / "preference").mkdir(parents=True)
    (elsewhere / drop / "preference" / f"{UNFINISHED}7-train.parquet").write_bytes(b"half")
    home.push(drop, str(elsewhere))
    assert verify(elsewhere / drop) == []


def test_folders_that_cannot_be_written_and_the_drops_folder_itself_are_refused(
    home: Home, tmp_path: Path
) -> None:
    drop = home.publish()
    (tmp_path / "file").write_text("x")
    with pytest.raises(PushRefused) as caught:
        home.push(drop, str(tmp_path / "file"))
    assert caught.value.hint
    with pytest.raises(SettingsError):
        home.push(drop, str(home.settings.drops_root))
    with pytest.raises(SettingsError):
        target_for(home.settings, parse("/mnt/x"), Options(private=True))


def test_a_store_that_is_unwell_is_tried_again_a_few_times_and_nothing_is_lost(
    home: Home, s3: S3Store
) -> None:
    drop = home.publish()
    s3.faults = [Fault("SlowDown", times=2), Fault("InternalError", method="GET", times=1)]
    home.push(drop, BUCKET)
    assert s3.calls["PUT"] == 7 + 1 + 2
    other = home.publish(2)
    s3.faults = [Fault("SlowDown", path="manifest.json", times=99)]
    target = FileTarget(Objects(BUCKET, retries=2), Options())
    with pytest.raises(PushUnavailable, match="503") as caught:
        home.push(other, BUCKET, target)
    assert "SlowDown" in str(caught.value)
    s3.faults = []
    assert [piece.name for piece in home.push(other, BUCKET).sent] == ["manifest.json"]


def test_large_files_go_in_parts_and_are_known_by_their_etag(home: Home, s3: S3Store) -> None:
    drop = home.publish(large=12 << 20)

    def target() -> FileTarget:
        return FileTarget(Objects(BUCKET, single=1 << 20, part=5 << 20), Options())

    told: list[int] = []
    options = Options(sent=told.append)
    home.push(drop, BUCKET, FileTarget(Objects(BUCKET, single=1 << 20, part=5 << 20), options))
    assert s3.objects[f"copies/team/{drop}/preference/train.parquet"].etag.endswith('-3"')
    assert sum(told) == sum(len(data) for data in files_of(home.folder(drop)).values())
    s3.calls.clear()
    assert home.push(drop, BUCKET, target()).sent == ()
    # The listing and LATEST; nothing was read back.
    assert (s3.calls["GET"], s3.calls["PUT"]) == (2, 0)
    # Another size of parts, a store whose ETags say nothing: the content itself tells.
    assert home.push(drop, BUCKET).sent == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "guessed"}, "refuses the credentials"),
        ({"AWS_ACCESS_KEY_ID": "bert", "AWS_SECRET_ACCESS_KEY": "bert-secret"}, "refuses the credentials"),
    ],
)
def test_keys_that_do_not_open_the_bucket_are_a_persons_business(
    home: Home, s3: S3Store, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], words: str
) -> None:
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PushRefused, match=words) as caught:
        home.push(home.publish(), BUCKET)
    said = f"{caught.value} {caught.value.hint}"
    assert not any(secret in said for secret in ("anna", "bert", "guessed", "AWS4"))


def test_a_bucket_that_is_not_there_is_named(home: Home, s3: S3Store) -> None:
    with pytest.raises(PushRefused, match="s3://nowhere: there is no such bucket"):
        home.push(home.publish(), "s3://nowhere")


def test_the_lakes_own_store_options_open_its_bucket(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = home.publish()
    with s3_store({"lake": Key("lake-secret", {"mine"})}) as store:
        options = {**store.options("lake"), "AWS_S3_ALLOW_UNSAFE_RENAME": "true"}
        lake = home.settings.lake.model_copy(update={"root": "s3://mine/lake", "storage_options": options})
        drops = home.settings.drops_root
        moved = lake.model_copy(update={"drops_root": str(drops)})
        home.settings = home.settings.model_copy(update={"lake": moved})
        home.push(drop, "s3://mine/drops")
        assert f"mine/drops/{drop}/manifest.json" in store.objects
