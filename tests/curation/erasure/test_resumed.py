"""An erasure that is killed at any step goes on, and ends as if nothing had happened."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from contracts.tables.persons import personal_tables
from sinks.drops.manifest import verify
from sinks.drops.publish import registry
from sinks.drops.verification import verify_registry
from tests.curation.dialogues import edited, regenerated, turned_out
from tests.curation.erasure.world import IDENTITY, Killed, World, same
from tests.factories import consent_event

ANNA = "anna-0001"
USER = f"user-{ANNA}"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A home with two drops; tests work on copies."""
    world = World(tmp_path_factory.mktemp("original") / "home")
    for name in (ANNA, "bert-0002"):
        text = f"The capital is Canberra, as everybody who ever met {name} knows."
        world.ingest(edited(name, text=text) + turned_out(name, False))
        world.ingest([("consent", consent_event(f"consent-{name}", user_id=f"user-{name}"))])
    world.drop()
    later = regenerated(f"{ANNA}-again", user_id=USER) + edited("cleo-0003")
    world.ingest(
        [(kind, event | {"occurred_at": event["occurred_at"] + 86_400_000}) for kind, event in later]
    )
    world.drop()
    return world


def copied(world: World, home: Path) -> World:
    shutil.copytree(world.home, home)
    made = World.__new__(World)
    made.__dict__.update(world.__dict__)
    made.home = home
    made.settings = world.settings.model_copy(update={"home": home})
    made.lake = type(world.lake)(home / "lake", hashes=lambda: IDENTITY)
    return made


STEPS = [
    *("identified", "tombstones", "requested", "fenced"),
    *(f"tables:{name}" for name in ("requests", "signals", "examples", "lineage")),
    *("tables", "staged", "rows:examples", "rows:lineage", "moved", "registered", "marked", "cleared"),
    *("files", "drops", "vacuum:requests", "vacuum:lineage", "vacuum", "certificate", "proven"),
]


@pytest.mark.faults
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_after_any_step_changes_nothing_of_the_end(original: World, tmp_path: Path, step: str) -> None:
    world = copied(original, tmp_path / "home")
    before = world.rows()
    assert world.erase_until(USER, step), f"there is no step {step}"
    _nothing_half_visible(world)
    done = world.erase(USER)
    assert done.absent
    _ended_well(world, before)


def test_kills_one_after_another_come_to_the_same_end(original: World, tmp_path: Path) -> None:
    world = copied(original, tmp_path / "home")
    before = world.rows()
    for step in STEPS:
        world.erase_until(USER, step)
        _nothing_half_visible(world)
    assert world.erase(USER).absent
    _ended_well(world, before)


def test_a_kill_while_a_drops_folder_is_cleared_leaves_no_text(original: World, tmp_path: Path) -> None:
    world = copied(original, tmp_path / "home")
    before = world.rows()
    assert world.erase_until(USER, "marked")
    # As if the process had died between two files.
    (mark,) = world.lake.scan("drop_marks").collect()["drop_id"]
    (world.settings.drops_root / mark / "manifest.json").unlink()
    assert world.erase(USER).absent
    _ended_well(world, before)


def test_the_successor_of_an_older_drop_is_not_the_latest(original: World, tmp_path: Path) -> None:
    world = copied(original, tmp_path / "home")
    latest = (world.settings.drops_root / "LATEST").read_text()
    done = world.erase("user-bert-0002")
    (replaced,) = done.certificate["drops"]
    assert replaced != latest.strip()
    assert (world.settings.drops_root / "LATEST").read_text() == latest


def test_a_drop_that_is_not_cleared_yet_is_no_damage_until_the_erasure_says_it_is_done(
    original: World, tmp_path: Path
) -> None:
    world = copied(original, tmp_path / "home")
    root = world.settings.drops_root
    assert world.erase_until(USER, "marked")
    (mark,) = world.lake.scan("drop_marks").collect()["drop_id"]
    found = verify_registry(world.lake, root)
    assert (found.problems, found.unfinished) == ([], [mark])
    assert world.erase(USER).absent
    (root / mark / "manifest.json").unlink()
    found = verify_registry(world.lake, root)
    assert found.unfinished == []
    assert [problem.split(":")[0] for problem in found.problems] == [mark]


def test_a_build_that_was_killed_before_it_was_registered_leaves_nothing(
    original: World, tmp_path: Path
) -> None:
    world = copied(original, tmp_path / "home")
    world.ingest(edited(f"{ANNA}-late", user_id=USER))

    def die(name: str) -> None:
        if name == "moved":
            raise Killed

    with pytest.raises(Killed):
        world.drop(step=die)
    # With later events it is another drop: nobody comes back to the folder.
    world.ingest(edited("dora-0004"))
    assert world.erase(USER).absent
    assert world.traces(ANNA) == []
    folders = {path.name for path in world.settings.drops_root.iterdir() if path.is_dir()}
    assert folders == set(registry(world.lake)["drop_id"])


def test_the_tombstone_comes_before_the_first_deletion(original: World, tmp_path: Path) -> None:
    world = copied(original, tmp_path / "home")
    assert world.erase_until(USER, "fenced")
    assert world.lake.scan("erasures").collect()["state"].to_list() == ["requested"]
    assert f"request-{ANNA}" in set(world.lake.scan("requests").collect()["request_id"])


def _nothing_half_visible(world: World) -> None:
    """Whatever the registry names and is in force can be used."""
    for row in registry(world.lake).iter_rows(named=True):
        folder = world.settings.drops_root / row["path"]
        if (folder / "manifest.json").exists():
            assert verify(folder) == []
    latest = (world.settings.drops_root / "LATEST").read_text().strip()
    assert latest in set(registry(world.lake)["drop_id"])


def _ended_well(world: World, before: dict[str, pl.DataFrame]) -> None:
    assert verify_registry(world.lake, world.settings.drops_root).problems == []
    assert world.traces(ANNA) == []
    marks = world.lake.scan("drop_marks").collect()
    assert marks.height == 2 == marks["drop_id"].n_unique()
    old, new = set(marks["drop_id"]), set(marks["successor_id"])
    drops = registry(world.lake)
    assert set(drops["drop_id"]) == old | new
    assert drops.height == 4
    assert (world.settings.drops_root / "LATEST").read_text().strip() in new
    after = world.rows()
    for name in personal_tables():
        if "drop_id" in after[name].columns:
            after[name] = after[name].filter(~pl.col("drop_id").is_in(list(new)))
        if name == "lineage":
            after[name] = after[name].filter(~pl.col("target_id").is_in(list(new)))
    same(before, after, ANNA)
    copies = world.lake.scan("examples").filter(pl.col("drop_id").is_in(list(new))).collect()
    originals = world.lake.scan("examples").filter(pl.col("drop_id").is_in(list(old))).collect()
    assert sorted(copies["example_id"]) == sorted(originals["example_id"])
    states = world.lake.scan("erasures").collect()["state"].to_list()
    assert sorted(set(states)) == sorted(["requested", "tables", "drops", "vacuum", "proven"])
