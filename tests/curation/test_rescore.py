"""After a fit: current interactions get the new score, evidence and history stay as they were."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from curation.rescore import rescore
from curation.scoring import DEFAULT_MODEL, PRIOR_WEIGHTS, ScoreModel, score
from curation.settle import SettleReport, settle
from sinks.lake import Lake
from tests.curation.dialogues import asked, did, edited, turned_out
from tests.lakes import HORIZON_US, ingest, new_lake

NOW_US = 1_900_000_000_000_000
FITTED = ScoreModel(weights={**PRIOR_WEIGHTS, "copy": 0.25}, intercept=-1.0, origin="fitted")
SCORED = ("failure_score", "contributions", "disagreement", "failure_hint", "score_version")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = new_lake(tmp_path / "lake")
    ingest(lake, asked("a") + did("a", "copy") + edited("b") + asked("c") + turned_out("c", success=False))
    return lake


def test_every_current_interaction_is_scored_by_the_new_weights(lake: Lake) -> None:
    before = lake.interactions().collect().sort("request_id")
    assert rescore(lake, now_us=NOW_US, model=FITTED) == 3
    after = lake.interactions().collect().sort("request_id")
    assert after["score_version"].unique().to_list() == [FITTED.version]
    assert after["revision"].to_list() == [2, 2, 2]
    assert after.select(SCORED).equals(score(before.drop(SCORED), FITTED).select(SCORED))


def test_evidence_and_its_time_stay(lake: Lake) -> None:
    own = [*SCORED, "revision", "settled_at"]
    before = lake.interactions().collect().sort("request_id").drop(own)
    rescore(lake, now_us=NOW_US, model=FITTED)
    assert lake.interactions().collect().sort("request_id").drop(own).equals(before)


def test_the_score_a_drop_saw_is_still_there(lake: Lake) -> None:
    before = lake.interactions().collect().sort("request_id")
    rescore(lake, now_us=NOW_US, model=FITTED)
    kept = lake.interactions(revisions=True).filter(pl.col("revision") == 1).collect().sort("request_id")
    assert kept.equals(before)


def test_a_second_run_changes_nothing(lake: Lake) -> None:
    steps: list[tuple[int, int]] = []
    assert rescore(lake, now_us=NOW_US, model=DEFAULT_MODEL) == 0
    rescore(lake, now_us=NOW_US, model=FITTED, progress=lambda done, of: steps.append((done, of)))
    assert steps == [(3, 3)]
    assert rescore(lake, now_us=NOW_US + 1, model=FITTED) == 0
    assert settle(lake, horizon_us=HORIZON_US, now_us=NOW_US, model=FITTED) == SettleReport(0, 0, 0)


def test_late_evidence_continues_from_the_rescored_revision(lake: Lake) -> None:
    rescore(lake, now_us=NOW_US, model=FITTED)
    ingest(lake, turned_out("a", success=False, seconds=9_000), first_offset=100, settle_requests=False)
    assert settle(lake, horizon_us=HORIZON_US, now_us=NOW_US, model=FITTED).revised == 1
    row = lake.interactions().filter(pl.col("request_id") == "request-a").collect().row(0, named=True)
    assert (row["revision"], row["outcome_success"], row["score_version"]) == (3, 0.0, FITTED.version)


def test_an_empty_lake(tmp_path: Path) -> None:
    assert rescore(new_lake(tmp_path / "empty"), now_us=NOW_US, model=FITTED) == 0
