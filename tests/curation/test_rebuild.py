"""A drop is built again byte for byte, whatever came into the lake since, and nobody is asked."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

import curation.rebuild.plan as plan_module
from contracts.errors import DropInvalid, NotRebuildable, TerminalError
from contracts.settings import CurationSettings, Settings
from curation.candidates import INPUT_TABLES
from curation.drop_rows import finished
from curation.judge.annotating import record_labels
from curation.judge.bench import Bench
from curation.nightly import DropResult, make_drop
from curation.rebuild.place import default_place
from curation.rebuild.restore import restore
from curation.rebuild.run import Rebuilt, rebuild
from curation.texts.tokens import tokens
from sinks.drops.manifest import read_manifest, verify
from sinks.drops.publish import published
from sinks.drops.recipe import decode, encode
from sinks.evals import register
from sinks.lake import Lake
from sinks.pinned_lake import PinnedLake, newest_versions
from sinks.quarantine import release
from sinks.transactions import append_once
from tests.curation.dialogues import RIGHT, did, edited, regenerated
from tests.curation.judge.server import GOOD, FakeServer, hosted, longer
from tests.curation.judged_drops import NOW_US, failed, judged_settings
from tests.factories import START, table_rows
from tests.lakes import ingest, new_lake

UNJUDGED = "request-item-3"
MERGED = (*INPUT_TABLES, "judgments", "examples", "gold_labels")


@dataclass
class Night:
    """A home with a published drop, and everything that happened to the lake after it."""

    home: Path
    lake: Lake
    settings: Settings
    server: FakeServer
    result: DropResult
    later: DropResult
    calls: int

    @property
    def row(self) -> dict[str, Any]:
        found = published(self.lake, self.result.drop_id)
        assert found is not None
        return found

    def rebuild(self, out: Path, **options: Any) -> Rebuilt:
        return rebuild(self.lake, self.settings, self.row, out, **options)


def rows_of(lake: Lake, table: str, result: DropResult) -> pl.DataFrame:
    return lake.scan(table).filter(pl.col("drop_id") == result.drop_id).collect()


def files_of(folder: Path) -> dict[str, str]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def build(lake: Lake, settings: Settings, now_us: int = NOW_US) -> DropResult:
    return make_drop(lake, settings.drops_root, settings, Bench.from_settings(settings), now_us=now_us)


def label(lake: Lake, request: str, word: str, now_us: int) -> None:
    said = [{"request_id": request, "label": word, "guideline_version": "g1"}]
    record_labels(lake, said, lines=[1], rater="ann", now_us=now_us)


def eval_set(lake: Lake, folder: Path, name: str, text: str) -> None:
    path = folder / f"{name}.jsonl"
    path.write_text(json.dumps({"id": "1", "question": text}) + "\n")
    register(lake, name, path, ["question"], count_tokens=lambda text: len(tokens(text)), short=5, now=START)


def conversations() -> list[tuple[str, dict[str, Any]]]:
    events = [event for n in range(3) for event in failed(f"item-{n}")]
    events += failed("item-3") + edited("item-4") + regenerated("item-5") + edited("labelled")
    events += edited(
        "leaked", prompt="How many apples are left when Bob eats three of his eleven red apples?"
    )
    return events


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    home = tmp_path_factory.mktemp("rebuild")
    with hosted() as host:
        server = host.server = FakeServer(base_url=host.base_url, prefer=longer)
        server.good = {**GOOD, "improved_response": f"{RIGHT} It is neither of the two."}
        server.script = {"item-3": ["status:500"]}
        lake = new_lake(home / "lake")
        ingest(lake, conversations())
        eval_set(
            lake, home, "apples", "How many apples are left when Bob eats three of his eleven red apples?"
        )
        label(lake, "request-labelled", "fail", NOW_US - 1)
        settings = judged_settings(home, server, compare="all", curation={"near_duplicate": 1.0})
        result = build(lake, settings)
        # All that must not leak into a rebuild: events, verdicts, labels, releases, eval sets, merged files.
        ingest(lake, failed("item-6") + did("item-0", "escalate", seconds=40), first_offset=1_000)
        label(lake, "request-labelled", "pass", NOW_US + 1)
        label(lake, "request-item-6", "pass", NOW_US + 1)
        eval_set(lake, home, "capitals", "What is the capital of Australia? (item-4)")
        (leaked,) = rows_of(lake, "quarantine", result).filter(reason="contaminated")["quarantine_id"]
        release(lake, leaked, "it is not in the test split", now=START)
        later = build(lake, settings, NOW_US + 2)
        merged = {name: lake.table(name).optimize.compact()["numFilesRemoved"] for name in MERGED}
        assert min(merged["requests"], merged["interactions"], merged["judgments"]) > 1
        yield Night(home, lake, settings, server, result, later, server.calls.total())


def test_every_byte_is_built_again_and_nobody_is_asked(night: Night) -> None:
    before = files_of(night.home / "drops")
    versions = {name: night.lake.version(name) for name in ("drops", "judgments", "examples", "quarantine")}
    done = night.rebuild(default_place(night.settings, night.result.drop_id))
    assert done.identical, done
    assert done.published == "intact"
    assert not done.identity
    assert not done.damage
    assert {each.state for each in done.files} == {"same"}
    assert files_of(done.folder) == files_of(night.result.folder)
    assert night.server.calls.total() == night.calls
    assert files_of(night.home / "drops") == before
    assert {name: night.lake.version(name) for name in versions} == versions
    assert [path.name for path in done.folder.parent.iterdir()] == [night.result.drop_id]


def test_the_drop_holds_what_the_rebuild_is_tried_on(night: Night) -> None:
    manifest = read_manifest(night.result.folder)
    assert manifest["pairwise"]["rewrites"]["kept"] > 0
    assert manifest["labels"]["decided"]["count"] == 1
    reasons = dict(rows_of(night.lake, "quarantine", night.result).group_by("reason").len().iter_rows())
    assert reasons["contaminated"] == 1
    assert reasons["unjudged_unavailable"] == 1
    assert night.later.drop_id != night.result.drop_id
    assert decode(night.row["recipe"]).unjudged_count == 1


def test_what_was_left_unjudged_stays_so_though_it_has_a_verdict_now(night: Night) -> None:
    later = rows_of(night.lake, "examples", night.later)["request_ids"].explode()
    assert UNJUDGED in later.to_list()
    (row,) = rows_of(night.lake, "unjudged", night.result).to_dicts()
    assert (row["request_id"], row["reason"]) == (UNJUDGED, "unavailable")
    judged = night.lake.scan("judgments").filter(content_hash=row["content_hash"], epoch=row["epoch"])
    assert judged.collect().height == 1


def test_a_label_changed_later_changes_the_next_drop_only(night: Night) -> None:
    first, second = (read_manifest(each.folder)["labels"] for each in (night.result, night.later))
    assert first["in_force"]["count"] == 1
    assert second["in_force"]["count"] == 2
    assert first["in_force"]["sha256"] != second["in_force"]["sha256"]
    assert verify(night.result.folder) == []
    made = rows_of(night.lake, "examples", night.result).explode("request_ids")
    assert made.filter(request_ids="request-labelled")["verdict_source"].to_list() == ["human"]
    refused = rows_of(night.lake, "quarantine", night.later).explode("request_ids")
    assert refused.filter(request_ids="request-item-6")["reason"].to_list() == ["gold_disagrees"]


def test_the_later_drop_leans_on_the_first_and_is_built_again_too(night: Night, tmp_path: Path) -> None:
    row = published(night.lake, night.later.drop_id)
    assert row is not None
    done = rebuild(night.lake, night.settings, row, tmp_path / "out")
    assert done.identical, done
    assert night.server.calls.total() == night.calls


def test_settings_of_today_do_not_count(night: Night, tmp_path: Path) -> None:
    settings = Settings(home=night.home, curation=CurationSettings(seed=1, failure_threshold=0.9))
    assert rebuild(night.lake, settings, night.row, tmp_path / "out").identical


def test_a_lost_folder_is_told_and_put_back_whole_or_not_at_all(night: Night, tmp_path: Path) -> None:
    folder, kept = night.result.folder, tmp_path / "kept"
    shutil.copytree(folder, kept)
    shutil.rmtree(folder)
    done = night.rebuild(tmp_path / "out")
    assert (done.published, done.identical) == ("gone", True)

    class Killed(BaseException):
        pass

    def die_at(name: str) -> Any:
        def step(seen: str) -> None:
            if seen == name:
                raise Killed

        return step

    with pytest.raises(Killed):
        restore(night.settings.drops_root, night.row, done, step=die_at("copied"))
    assert not folder.exists()
    with pytest.raises(Killed):
        restore(night.settings.drops_root, night.row, done, step=die_at("moved"))
    assert files_of(folder) == files_of(kept)
    (folder / "manifest.json").write_text("{}")
    damaged = night.rebuild(tmp_path / "out")
    assert (damaged.published, damaged.identical) == ("damaged", True)
    assert any("manifest.json" in line for line in damaged.damage)
    with pytest.raises(Killed):
        restore(night.settings.drops_root, night.row, damaged, step=die_at("aside"))
    assert not folder.exists()
    assert restore(night.settings.drops_root, night.row, damaged)
    assert files_of(folder) == files_of(kept)
    assert not list(night.settings.drops_root.glob(".staging*"))
    assert restore(night.settings.drops_root, night.row, night.rebuild(tmp_path / "out")) is False


def test_a_difference_is_named_and_never_restored(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.build.finished", lambda rows, *more: finished(rows[1:], *more))
    done = night.rebuild(tmp_path / "out")
    assert not done.identical
    unlike = {each.name for each in done.files if each.state == "differs"}
    assert {"manifest.json", "provenance.parquet"} <= unlike
    assert done.identity == []
    gone = replace(done, published="gone")
    with pytest.raises(DropInvalid, match="byte for byte"):
        restore(night.settings.drops_root, night.row, gone)


def test_without_its_manifest_files_are_named_by_a_copy_of_the_checksums(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.build.finished", lambda rows, *more: finished(rows[1:], *more))
    elsewhere = night.settings.model_copy(update={"home": tmp_path / "home"})
    sums = night.result.folder / "SHA256SUMS"
    row, out = night.row, tmp_path / "out"
    blind = rebuild(night.lake, elsewhere, row, out)
    assert (blind.published, blind.identical) == ("gone", False)
    assert {f.state for f in blind.files} == {"differs", "unknown"}
    seeing = rebuild(night.lake, elsewhere, row, out, sums=sums)
    assert {f.state for f in seeing.files} <= {"same", "differs", "missing", "extra"}
    assert "provenance.parquet" in {f.name for f in seeing.files if f.state == "differs"}
    other = tmp_path / "SUMS"
    other.write_text(f"{'0' * 64}  manifest.json\n")
    with pytest.raises(DropInvalid, match="another drop"):
        rebuild(night.lake, elsewhere, row, out, sums=other)


def test_another_release_is_named_before_any_work(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "CODE_VERSION", "99.0")
    monkeypatch.setattr(plan_module, "libraries", lambda: {"polars": "0.1"})
    with pytest.raises(NotRebuildable) as refused:
        night.rebuild(tmp_path / "out")
    (problem,) = refused.value.problems
    assert problem.startswith("code: Tailrace ")
    assert "99.0 is installed" in problem
    assert "--other-code" in str(refused.value.hint)
    assert not (tmp_path / "out").exists()
    done = night.rebuild(tmp_path / "out", other_code=True)
    assert done.identical
    assert any("99.0" in note for note in done.notes)
    assert any("polars" in note for note in done.notes)


def test_a_forged_recipe_is_not_followed(night: Night, tmp_path: Path) -> None:
    recipe = decode(night.row["recipe"])
    forged = {**recipe.about, "releases": ["q1"]}
    stored = encode(msgspec.structs.replace(recipe, about=forged))
    row = {**night.row, "recipe": stored, "manifest_sha256": "0" * 64}
    with pytest.raises(NotRebuildable, match="cannot be rebuilt") as refused:
        rebuild(night.lake, night.settings, row, tmp_path / "out")
    assert "not its hash" in refused.value.problems[0]


def test_it_is_never_written_among_published_drops(night: Night, tmp_path: Path) -> None:
    for place in (night.result.folder, night.settings.drops_root, night.home, night.home / "lake" / "x"):
        with pytest.raises(DropInvalid, match="not written"):
            night.rebuild(place)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("keep")
    with pytest.raises(DropInvalid, match="no drop"):
        night.rebuild(tmp_path / "other")


def test_a_pinned_lake_shows_the_past_and_takes_nothing(night: Night) -> None:
    view = PinnedLake(night.lake, {**newest_versions(night.lake, ["signals"]), "consents": None})
    assert view.scan("signals").collect().height == night.lake.scan("signals").collect().height
    assert view.exists("signals")
    assert not view.exists("consents")
    assert not view.exists("requests")
    with pytest.raises(TerminalError, match="only read"):
        append_once(view, "signals", table_rows("signals", [{"event_id": "x"}]), batch_id="x")
    with pytest.raises(TerminalError, match="not part"):
        view.scan("requests")
