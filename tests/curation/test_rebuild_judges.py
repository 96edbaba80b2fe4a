"""Rebuilding drops of panels, of rubrics for features, of batches, and with judges that come in between."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from contracts import reasons
from contracts.settings import CurationSettings, JudgeEndpointSettings, JudgeSettings, Settings
from curation.fitting.labels import Labels
from curation.judge.batch import Polling
from curation.judge.batch_place import Batches
from curation.judge.bench import Bench
from curation.judge.verdicts import JudgeItem, Judgment
from curation.judging import JudgmentRows
from curation.nightly import DropResult, make_drop
from curation.rebuild.judges import remembered_bench
from curation.rebuild.run import Rebuilt, rebuild
from curation.scoring import ScoreModel
from curation.weights import encode_weights, install, resolve_model
from sinks.drops.manifest import read_manifest
from sinks.drops.publish import published
from sinks.judgments import store_judgments
from sinks.lake import Lake
from sinks.table_versions import files_of, stored_files
from sinks.transactions import append_once
from tests.curation.dialogues import edited
from tests.curation.judge.batch_server import BatchServer
from tests.curation.judge.opinions import Opinion, verdict
from tests.curation.judge.server import FakeServer, better
from tests.curation.judge.test_bench import OWN
from tests.curation.judged_drops import FAILED, NOW_US, failed, judged_settings
from tests.factories import table_rows
from tests.lakes import ingest, new_lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def again(lake: Lake, settings: Settings, result: DropResult, out: Path) -> Rebuilt:
    row = published(lake, result.drop_id)
    assert row is not None
    return rebuild(lake, settings, row, out)


def test_a_panel_whose_member_was_down_and_a_rubric_of_one_feature(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    server.good, server.prefer = dict(FAILED), better(lambda text: "Canberra" in text)
    own = tmp_path / "support.md"
    own.write_text(OWN)
    ingest(lake, failed("a") + failed("item-7") + failed("s", feature="support") + edited("b"))
    settings = judged_settings(
        tmp_path,
        server,
        panel=[JudgeEndpointSettings(base_url=server.base_url, model="other-2")],
        rubrics={"support": str(own)},
        concurrency=1,
    )
    # The first of the two members is answered, the second is not.
    server.script = {"item-7": ["", "status:503"]}
    result = make_drop(lake, settings.drops_root, settings, Bench.from_settings(settings), now_us=NOW_US)
    manifest = read_manifest(result.folder)
    assert sum(panel["incomplete"] for panel in manifest["panel"].values()) == 1
    assert manifest["judge"]["kind"] == "bench"
    assert remembered_bench(manifest["judge"]).manifest() == manifest["judge"]
    later = make_drop(
        lake,
        settings.drops_root,
        settings.model_copy(update={"curation": CurationSettings(control_share=0.0, channel="other")}),
        Bench.from_settings(settings),
        now_us=NOW_US + 1,
    )
    calls = len(server.requests)
    own.unlink()
    assert again(lake, settings, result, tmp_path / "out" / "first").identical
    assert again(lake, settings, later, tmp_path / "out" / "later").identical
    assert len(server.requests) == calls


def test_a_drop_judged_in_batches(
    lake: Lake, server: FakeServer, batches: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.judge.batch.Polling", partial(Polling, first=0.01, longest=0.05))
    server.good = dict(FAILED)
    ingest(lake, failed("a") + edited("b"))
    settings = judged_settings(tmp_path, server, mode="batch")
    bench = Bench.from_settings(settings, batches=Batches(folder=settings.batches_root))
    result = make_drop(lake, settings.drops_root, settings, bench, now_us=NOW_US)
    assert read_manifest(result.folder)["judge_cost"]["verdicts"] == 2
    calls = len(batches.headers), len(server.requests)
    assert calls[0] > 0
    assert again(lake, settings, result, tmp_path / "out").identical
    assert (len(batches.headers), len(server.requests)) == calls


class Overtaken(Opinion):
    """Gives no verdict on one request, while another process stores one."""

    def __init__(self, lake: Lake) -> None:
        super().__init__(lambda item: "timeout" if item.request_id == "request-a" else "fail")
        self.lake = lake

    def judge(self, items: Sequence[JudgeItem], **options: Any) -> list[Judgment]:
        found = super().judge(items, **options)
        row_of = JudgmentRows(self.epoch.name, NOW_US - 1, "online")
        theirs = [row_of(judgment, verdict("fail")) for judgment in found if judgment.verdict is None]
        if theirs:
            schema = self.lake.scan("judgments").collect_schema()
            store_judgments(self.lake, pl.DataFrame(theirs, schema=schema, infer_schema_length=None))
        return found


def test_a_verdict_stored_while_the_drop_was_built_does_not_leak_into_it(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a") + edited("b"))
    settings = Settings(
        home=tmp_path,
        curation=CurationSettings(control_share=0.0),
        judge=JudgeSettings(alone="always"),
    )
    judge = Overtaken(lake)
    result = make_drop(lake, settings.drops_root, settings, judge, now_us=NOW_US)
    assert set(lake.scan("judgments").collect()["request_id"]) == {"request-a", "request-b"}
    assert lake.scan("unjudged").collect()["reason"].to_list() == ["timeout"]
    asked = judge.asked
    assert again(lake, settings, result, tmp_path / "out").identical
    assert judge.asked == asked


def test_a_build_that_began_anew_after_a_kill_is_built_again_too(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a") + edited("b"))
    settings = Settings(home=tmp_path, curation=CurationSettings(control_share=0.0))

    def die(step: str) -> None:
        if step == "moved":
            raise KeyboardInterrupt

    def make(**options: Any) -> DropResult:
        bench = Bench.from_settings(settings)
        return make_drop(lake, settings.drops_root, settings, bench, now_us=NOW_US, **options)

    with pytest.raises(KeyboardInterrupt):
        make(step=die)
    # The first attempt's rows are in the lake, and others judge on: versions move, bytes must not.
    theirs = JudgmentRows("other", NOW_US, "online")(
        Judgment(request_id="r", content_hash="0" * 64, epoch="e", verdict=verdict("fail")), verdict("fail")
    )
    schema = lake.scan("judgments").collect_schema()
    store_judgments(lake, pl.DataFrame([theirs], schema=schema, infer_schema_length=None))
    result = make()
    assert result.new
    assert again(lake, settings, result, tmp_path / "out").identical


def test_a_table_that_rested_until_its_merged_files_were_deleted_is_read(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a"))
    ingest(lake, edited("b"), first_offset=100)
    for name in ("requests", "signals", "interactions"):
        assert lake.table(name).optimize.compact()["numFilesRemoved"] > 1
        live = files_of(lake, name, lake.version(name)) or set()
        for path in stored_files(lake, name) - live:
            (Path(lake.uri(name)) / path).unlink()
    settings = Settings(home=tmp_path, curation=CurationSettings(control_share=0.0, near_duplicate=1.0))
    result = make_drop(lake, settings.drops_root, settings, Bench.from_settings(settings), now_us=NOW_US)
    assert result.preference_rows == 2
    assert read_manifest(result.folder)["inputs"]["requests"] < lake.version("requests")
    assert again(lake, settings, result, tmp_path / "out").identical


def test_a_drop_of_an_older_release_goes_by_the_times_of_verdicts(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a") + edited("b"))
    settings = Settings(
        home=tmp_path,
        curation=CurationSettings(control_share=0.0),
        judge=JudgeSettings(alone="always"),
    )
    judge = Opinion(lambda item: "budget" if item.request_id == "request-a" else "fail")
    began_us = time.time_ns() // 1_000
    result = make_drop(lake, settings.drops_root, settings, judge, now_us=began_us)
    judge.says = lambda _: "fail"
    other = settings.model_copy(update={"curation": CurationSettings(control_share=0.0, channel="other")})
    make_drop(lake, settings.drops_root, other, judge, now_us=began_us + 1)
    assert lake.scan("judgments").collect()["judged_at"].n_unique() == 2
    row = published(lake, result.drop_id)
    assert row is not None
    done = rebuild(lake, settings, {**row, "recipe": None}, tmp_path / "out")
    assert done.identical
    assert "were recorded" in done.notes[0]


def test_a_fitted_score_names_its_labels_and_its_file_is_not_needed(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a") + edited("b"))
    labels = Labels(pl.DataFrame({"request_id": ["request-b", "request-a"], "failed": [True, False]}), "gold")
    path = tmp_path / "score" / "weights.json"
    fit = {"labels": labels.source, "labels_count": labels.rows.height, "labels_sha256": labels.sha256}
    install(path, encode_weights(ScoreModel(intercept=-0.5, origin="fit"), fit))
    settings = Settings(home=tmp_path, curation=CurationSettings(control_share=0.0))
    model = resolve_model(settings)
    bench = Bench.from_settings(settings)
    result = make_drop(lake, settings.drops_root, settings, bench, now_us=NOW_US, model=model)
    manifest = read_manifest(result.folder)
    locked = {"source": "gold", "count": 2, "sha256": labels.sha256}
    assert manifest["labels"]["score_fitted_on"] == locked
    assert manifest["score_version"] == model.version
    path.unlink()
    assert again(lake, settings, result, tmp_path / "out").identical


def test_events_found_to_be_poison_later_were_none_then(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a") + edited("b"))
    settings = Settings(home=tmp_path, curation=CurationSettings(control_share=0.0))
    bench = Bench.from_settings(settings)
    result = make_drop(lake, settings.drops_root, settings, bench, now_us=NOW_US)
    event = lake.scan("requests").filter(request_id="request-a").collect().row(0, named=True)
    letter = {
        **{name: event[name] for name in ("partition", "offset", "received_at", "date")},
        "reason": reasons.POISON,
        "value": msgspec.json.encode({"event_id": event["event_id"]}),
    }
    append_once(lake, "dead_letters", table_rows("dead_letters", [letter]), batch_id="poison")
    assert "request-a" not in lake.requests().collect()["request_id"]
    assert again(lake, settings, result, tmp_path / "out").identical
