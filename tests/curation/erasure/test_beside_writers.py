"""An erasure beside running writers: nothing is lost, doubled or brought back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from deltalake.exceptions import DeltaError

from contracts.errors import CommitFenced, LakeUnavailable
from contracts.settings import LakeSettings
from sinks.erasure import rewriting
from sinks.lake import Lake
from sinks.lake_errors import LakeDamaged, translated
from sinks.maintenance_compaction import merge
from sinks.maintenance_layout import Step, day_files
from sinks.transactions import append_once
from tests.curation.dialogues import edited
from tests.curation.erasure.world import IDENTITY, World
from tests.factories import START, table_rows

ANNA, OPTIONS = "anna-0001", LakeSettings()
USER = f"user-{ANNA}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "home")
    for name in (ANNA, "bert-0002"):
        made.ingest(edited(name))
    return made


def others(lake: Lake) -> list[str]:
    return sorted(lake.scan("requests").collect()["request_id"])


def test_appends_that_run_beside_it_are_all_there_once(world: World) -> None:
    stop, wrote, problems = threading.Event(), [], []

    def write() -> None:
        lake = Lake(world.lake.root)
        while not stop.is_set() or not wrote:
            name = f"beside-{len(wrote)}"
            row = {"request_id": name, "session_id": name, "event_id": name, "date": START.date()}
            try:
                append_once(lake, "requests", table_rows("requests", [row]), batch_id=name)
            except Exception as error:  # noqa: BLE001 - the test says what it was
                problems.append(error)
                return
            wrote.append(name)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = world.erase(USER)
    finally:
        stop.set()
        writer.join()
    assert problems == []
    assert done.absent
    assert others(world.lake) == sorted(["request-bert-0002", *wrote])
    assert world.traces(ANNA) == []


@pytest.mark.parametrize("moment", ["claimed", "loaded"])
def test_a_merge_at_the_worst_moment_neither_doubles_rows_nor_brings_them_back(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A whole merge between the claim and the look, or between the look and the commit."""
    left = [moment]

    def overtake() -> None:
        if left:
            left.clear()
            (day,) = day_files("requests", world.lake.table("requests"))
            merge(Lake(world.lake.root), Step(day, OPTIONS.target_file_bytes), OPTIONS)

    claim, written = rewriting.claim, rewriting._written

    def claimed(lake: Lake, name: str, options: LakeSettings) -> str:
        mark = claim(lake, name, options)
        if name == "requests" and moment == "claimed":
            overtake()
        return mark

    def writing(*arguments: object) -> object:
        if moment == "loaded":
            overtake()
        return written(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rewriting, "claim", claimed)
    monkeypatch.setattr(rewriting, "_written", writing)
    # Both people in one file, so that something is left to write.
    (day,) = day_files("requests", world.lake.table("requests"))
    merge(world.lake, Step(day, OPTIONS.target_file_bytes), OPTIONS)
    world.ingest(edited("cleo-0003"))
    assert world.erase(USER).absent
    assert left == []
    assert others(world.lake) == ["request-bert-0002", "request-cleo-0003"]


def test_a_merge_that_began_before_gives_way(world: World) -> None:
    zombie = world.lake.table("requests")
    assert world.erase(USER).absent
    with pytest.raises(DeltaError):
        zombie.optimize.compact()
    assert others(world.lake) == ["request-bert-0002"]


def test_writers_that_never_rest_end_it_with_an_error_that_can_be_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = rewriting.claim

    def overtaken(lake: Lake, name: str, options: LakeSettings) -> str:
        mark = claim(lake, name, options)
        claim(lake, name, options)
        return mark

    with monkeypatch.context() as patch:
        patch.setattr(rewriting, "claim", overtaken)
        patch.setattr(rewriting, "PAUSE_S", 0.0)
        with pytest.raises(CommitFenced):
            world.erase(USER)
    assert world.erase(USER).absent
    assert world.traces(ANNA) == []


def test_a_reader_that_began_before_finishes_within_the_grace(world: World) -> None:
    began = world.lake.scan("requests").select("request_id")
    waited: list[float] = []

    def read(seconds: float) -> None:
        waited.append(seconds)
        assert began.collect().height == 2

    world.settings = world.settings.model_copy(
        update={"retention": world.settings.retention.model_copy(update={"grace_seconds": 3600.0})}
    )
    assert world.erase(USER, wait=read).absent
    assert len(waited) == 1
    assert 3000 < waited[0] <= 3600


def test_a_reader_that_was_too_slow_may_try_again(world: World) -> None:
    began = world.lake.scan("requests")
    assert world.erase(USER).absent
    with pytest.raises(LakeUnavailable, match="replaced"), translated(world.lake, "requests"):
        began.collect()
    assert world.lake.scan("requests").collect().height == 1
    next(Path(world.lake.uri("requests")).rglob("*.parquet")).unlink()
    with pytest.raises(LakeDamaged), translated(world.lake, "requests"):
        world.lake.scan("requests").collect()


def test_an_object_store_is_cleaned_through_its_own_interface(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    for name in (ANNA, "bert-0002"):
        world.ingest(edited(name))
    # Anything with a scheme is treated as an object store, files outside the home folder too.
    store = (world.home / "lake").rename(tmp_path / "store")
    world.lake = Lake(f"file://{store}")
    world.lake.tombstones.know(lambda: IDENTITY)
    assert world.erase(USER).absent
    assert others(Lake(store)) == ["request-bert-0002"]
    world.home = tmp_path
    assert world.traces(ANNA) == []
