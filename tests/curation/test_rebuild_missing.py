"""What a drop was built from and is no longer there is named, all of it, before any work."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import NotRebuildable
from contracts.settings import CurationSettings, JudgeSettings, LakeSettings, Settings
from curation.judge.annotating import record_labels
from curation.judge.bench import Bench
from curation.nightly import make_drop
from curation.rebuild.place import FOLDER
from curation.rebuild.run import Rebuilt, rebuild
from curation.texts.tokens import tokens
from sinks.drops.publish import published
from sinks.drops.rebuildable import pins_of, unbuildable
from sinks.evals import register
from sinks.lake import Lake
from sinks.maintenance_history import housekeep
from sinks.table_versions import files_of
from tests.curation.dialogues import edited, regenerated
from tests.curation.erasure.world import World
from tests.curation.judge.opinions import Opinion
from tests.factories import START
from tests.lakes import ingest, new_lake
from tests.sinks.crumbs import grow_old

NOW_US = 1_900_000_000_000_000
OFFSET = 1_000


@dataclass
class Night:
    """A copy of a home with two drops, the second of which leans on the first; tests break it."""

    home: Path
    first: str
    second: str

    @property
    def lake(self) -> Lake:
        return Lake(self.home / "lake")

    def row(self, drop_id: str) -> dict[str, Any]:
        found = published(self.lake, drop_id)
        assert found is not None
        return found

    def rebuild(self, drop_id: str = "", **fields: Any) -> Rebuilt:
        row = {**self.row(drop_id or self.first), **fields}
        return rebuild(self.lake, Settings(home=self.home), row, self.home / FOLDER / "out")

    def problems(self, drop_id: str = "", **fields: Any) -> list[str]:
        with pytest.raises(NotRebuildable) as refused:
            self.rebuild(drop_id, **fields)
        assert not (self.home / FOLDER / "out").exists()
        return refused.value.problems

    def lose(self, table: str, drop_id: str = "") -> int:
        """Delete the files of the version a drop was built from, as a vacuum would that leaves the newest."""
        version = pins_of(self.row(drop_id or self.first))[table]
        live = files_of(self.lake, table, self.lake.version(table)) or set()
        old = (files_of(self.lake, table, version) or set()) - live
        for path in old:
            (Path(self.lake.uri(table)) / path).unlink()
        assert old
        return version

    def compact(self, table: str) -> None:
        assert self.lake.table(table).optimize.compact()["numFilesRemoved"] > 0

    def rewritten(self, table: str, predicate: str) -> int:
        """Delete rows, and the files that still hold them."""
        self.lake.table(table).delete(predicate)
        return self.lose(table)


def label(lake: Lake, request: str, word: str, now_us: int) -> None:
    said = [{"request_id": request, "label": word, "guideline_version": "g1"}]
    record_labels(lake, said, lines=[1], rater="ann", now_us=now_us)


def judge() -> Opinion:
    return Opinion(lambda item: "pass" if "-2" in item.request_id else "fail")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Night:
    home = tmp_path_factory.mktemp("missing")
    lake = new_lake(home / "lake")
    ingest(lake, edited("a") + regenerated("b"))
    path = home / "set.jsonl"
    path.write_text(
        "".join(json.dumps({"id": n, "question": f"Is {n} a prime number, or not?"}) + "\n" for n in "12")
    )
    register(lake, "primes", path, ["question"], count_tokens=lambda t: len(tokens(t)), short=3, now=START)
    label(lake, "request-a", "fail", NOW_US - 1)
    settings = Settings(
        home=home,
        curation=CurationSettings(control_share=0.0, near_duplicate=1.0),
        judge=JudgeSettings(alone="always"),
    )
    first = make_drop(lake, settings.drops_root, settings, judge(), now_us=NOW_US)
    ingest(lake, edited("c", seconds=3_600), first_offset=OFFSET)
    second = make_drop(
        lake, settings.drops_root, settings, Bench.over(judge(), settings.judge), now_us=NOW_US + 1
    )
    return Night(home, first.drop_id, second.drop_id)


@pytest.fixture
def night(built: Night, tmp_path: Path) -> Night:
    shutil.copytree(built.home, tmp_path / "home")
    return Night(tmp_path / "home", built.first, built.second)


def test_nothing_is_missing_to_begin_with(night: Night) -> None:
    assert night.rebuild(night.first).identical
    done = night.rebuild(night.second)
    assert done.identical
    assert done.notes == ()


def test_files_that_were_merged_and_deleted_are_no_loss_while_the_table_rested(night: Night) -> None:
    night.compact("requests")
    version = night.lose("requests", night.second)
    done = night.rebuild(night.second)
    assert done.identical
    (note,) = done.notes
    assert f"table requests version {version}:" in note
    assert "same rows" in note


def test_deleted_files_of_an_input_are_named_with_table_and_version(night: Night) -> None:
    night.compact("requests")
    night.compact("signals")
    versions = [night.lose(name) for name in ("requests", "signals")]
    assert night.problems() == [
        f"table {name} version {version}: 1 of its 1 data files were deleted (vacuum or erasure)"
        for name, version in zip(("requests", "signals"), versions, strict=True)
    ]


def test_a_log_entry_that_was_cleaned_up_is_named(night: Night) -> None:
    version = pins_of(night.row(night.first))["interactions"]
    night.lake.table("interactions").create_checkpoint()
    log = Path(night.lake.uri("interactions")) / "_delta_log"
    for entry in range(version + 1):
        (log / f"{entry:020}.json").unlink()
    assert night.problems() == [f"table interactions version {version}: its log entry was cleaned up"]


def test_an_eval_set_that_is_gone_is_named(night: Night) -> None:
    version = night.rewritten("eval_sets", "eval_set = 'primes'")
    (problem,) = night.problems()
    assert problem.startswith(f"table eval_sets version {version}: 1 of its 1 data files")
    assert problem.endswith("; eval set primes version 1 is not in it")


def test_items_of_an_eval_set_that_are_gone_are_counted(night: Night) -> None:
    night.rewritten("eval_items", "item_id = '1'")
    (problem,) = night.problems()
    assert problem.endswith("; eval set primes version 1: 1 of 2 items left")


def test_verdicts_that_are_gone_are_named_and_nobody_is_asked(night: Night) -> None:
    night.rewritten("judgments", "request_id = 'request-a'")
    (problem,) = night.problems()
    assert problem.startswith("judgments: 1 of ")
    assert f"epoch {judge().epoch.id}" in problem
    assert problem.endswith("on requests request-a")


def test_verdicts_that_moved_to_newer_files_will_do(night: Night) -> None:
    night.compact("judgments")
    night.lose("judgments")
    done = night.rebuild()
    assert done.identical
    assert "newest version" in done.notes[0]


def test_labels_that_changed_are_named_when_the_old_ones_are_gone(night: Night) -> None:
    label(night.lake, "request-a", "pass", NOW_US + 5)
    night.compact("gold_labels")
    night.lose("gold_labels")
    (problem,) = night.problems()
    assert problem.startswith("table gold_labels version ")
    assert "1 labels of people were in force, and those in force now are others" in problem
    label(night.lake, "request-a", "fail", NOW_US + 6)
    assert "others" in night.problems()[0], "the same word, but another person's act"


def test_rows_of_an_earlier_drop_that_are_gone_are_named(night: Night) -> None:
    rows = night.lake.scan("example_sketches").filter(drop_id=night.first).collect()
    gone = rows["example_id"][0]
    night.lake.table("example_sketches").delete(f"example_id = '{gone}'")
    night.lose("example_sketches", night.second)
    (problem,) = night.problems(night.second)
    assert f"; of earlier drop {night.first} 1 of {rows.height} rows are gone" in problem
    assert night.rebuild(night.first).identical


def test_everything_that_is_missing_is_listed_at_once(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.compact("requests")
    night.lose("requests")
    night.rewritten("eval_sets", "eval_set = 'primes'")
    monkeypatch.setattr("curation.rebuild.plan.CODE_VERSION", "99.0")
    found = [problem.partition(":")[0].partition(" version")[0] for problem in night.problems()]
    assert found == ["table eval_sets", "table requests", "code"]


def test_a_drop_of_an_older_release_is_built_from_its_manifest(night: Night) -> None:
    done = night.rebuild(night.first, recipe=None)
    assert done.identical
    assert "before versions of dead_letters, eval_sets" in done.notes[0]
    shutil.rmtree(done.folder)
    shutil.rmtree(night.home / "drops" / night.first)
    (problem,) = night.problems(night.first, recipe=None)
    assert "its manifest is gone" in problem


def test_a_drop_that_somebody_was_erased_from_names_its_successor(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ingest(edited("a") + edited("b"))
    drop = world.drop()
    row = published(world.lake, drop.drop_id)
    assert row is not None
    out = tmp_path / FOLDER / drop.drop_id
    assert rebuild(world.lake, world.settings, row, out).identical
    done = world.erase("user-a")
    assert done.absent
    assert FOLDER in done.certificate["other_files"]
    assert not out.exists()
    successor = done.certificate["drops"][drop.drop_id]["successor"]
    with pytest.raises(NotRebuildable) as refused:
        rebuild(world.lake, world.settings, row, out)
    assert f"superseded by {successor}" in refused.value.problems[0]
    assert "table requests version" in " ".join(refused.value.problems)
    new = published(world.lake, successor)
    assert new is not None
    assert new["recipe"] is None
    with pytest.raises(NotRebuildable) as refused:
        rebuild(world.lake, world.settings, new, out)
    assert f"stands in for {drop.drop_id}" in refused.value.problems[0]


@pytest.mark.parametrize("table", ["requests", "dead_letters", "gold_labels"])
def test_files_a_drop_needs_are_never_deleted_in_silence(night: Night, table: str) -> None:
    version = pins_of(night.row(night.first)).get(table)
    needed = files_of(night.lake, table, version or 0) or set()
    named = unbuildable(night.lake, {table: needed})
    assert named == ([] if not needed else [night.first, night.second])


def test_housekeeping_names_the_drops_it_makes_unrebuildable(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    lake = night.lake
    label(lake, "request-a", "pass", NOW_US + 5)
    lake.table("gold_labels").optimize.compact()
    grow_old(lake, "gold_labels", 100)
    kept = housekeep(lake, "gold_labels", LakeSettings(), now_us=time.time_ns() // 1_000)
    assert set(kept.unbuildable) == {night.first, night.second}
    assert night.first in caplog.text
    assert kept.as_dict()["no_longer_rebuildable"] == list(kept.unbuildable)
    assert any("gold_labels" in problem for problem in night.problems())
