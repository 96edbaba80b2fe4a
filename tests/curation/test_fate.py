from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.errors import TerminalError
from contracts.settings import CurationSettings, Settings
from curation.fate import Fate, StepFate, fate, way
from curation.judge.base import make_judge
from curation.nightly import make_drop
from curation.refusal_words import WORDS, in_words
from sinks.drops.manifest import read_manifest
from sinks.drops.publish import published
from sinks.lake import Lake
from tests.curation.dialogues import RIGHT, WRONG, asked, did, edited, regenerated
from tests.lakes import ingest, new_lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def dropped(lake: Lake, home: Path, request_id: str, **curation: Any) -> Fate:
    settings = Settings(home=home, curation=CurationSettings(**{"control_share": 0.0} | curation))
    judge = make_judge(settings.judge, curation=settings.curation)
    result = make_drop(lake, settings.drops_root, settings, judge, now_us=1_900_000_000_000_000)
    row = published(lake, result.drop_id)
    assert row is not None
    return fate(lake, request_id, row, [step["step"] for step in read_manifest(result.folder)["funnel"]])


def outcomes(found: Fate) -> dict[str, str]:
    return {step.step: step.outcome for step in found.steps}


def test_a_request_in_a_drop_is_shown_with_its_row_and_verdict(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a"))
    found = dropped(lake, tmp_path, "request-a")
    assert found.status == "in_drop"
    assert [row["pair_source"] for row in found.rows] == ["user_edit"]
    assert set(outcomes(found).values()) == {"passed"}
    assert found.verdict is not None
    assert found.verdict["verdict"] == "fail"
    assert not {"rationale", "improved_response"} & set(found.verdict)


def test_both_sides_of_a_regeneration_lead_to_the_same_row(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, regenerated("b"))
    rejected = dropped(lake, tmp_path, "request-b")
    (row,) = rejected.rows
    for request_id in row["request_ids"]:
        assert dropped(lake, tmp_path, request_id).rows == [row]


def test_a_refused_request_stops_at_its_gate(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("bad", consent={"scopes": ["analytics"]}) + edited("good"))
    found = dropped(lake, tmp_path, "request-bad")
    assert found.status == "refused"
    ways = list(outcomes(found).items())
    assert ways[0] == ("eligible", "refused")
    assert {outcome for _, outcome in ways[1:]} == {"not_reached"}
    assert found.steps[0].reason == "consent_denied"
    assert found.verdict is None


def test_a_refused_pair_may_still_be_an_unpaired_row(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a", text=WRONG + ".") + did("a", "thumbs", value=-1))
    found = dropped(lake, tmp_path, "request-a")
    assert found.status == "in_drop"
    (refused,) = (step for step in found.steps if step.outcome == "refused")
    assert (refused.step, refused.kind, refused.reason) == ("pairs", "preference", "edit_cosmetic")
    assert [row["kind"] for row in found.rows] == ["unpaired"]


def test_what_came_after_the_drop_was_unknown_then(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a"))
    settings = Settings(home=tmp_path, curation=CurationSettings(control_share=0.0))
    judge = make_judge(settings.judge, curation=settings.curation)
    result = make_drop(lake, settings.drops_root, settings, judge, now_us=1_900_000_000_000_000)
    ingest(lake, asked("late", seconds=7200, response=RIGHT), first_offset=100)
    ingest(lake, asked("open", seconds=9000), first_offset=200, settle_requests=False)
    row = published(lake, result.drop_id)
    assert row is not None
    assert fate(lake, "request-late", row, ["eligible"]).status == "unknown_then"
    assert fate(lake, "request-open", row, ["eligible"]).status == "pending"
    with pytest.raises(TerminalError, match="no request nowhere"):
        fate(lake, "nowhere", row, ["eligible"])


def test_no_step_is_reached_behind_a_refusal_of_the_request() -> None:
    refusal = StepFate("select", "interaction", "refused", reason="user_cap")
    found = way(["eligible", "select", "confirm"], [refusal])
    assert [step.outcome for step in found] == ["passed", "refused", "not_reached"]


def test_reasons_have_words() -> None:
    assert in_words("held_out") == WORDS["held_out"]
    assert in_words("unjudged_budget") == "the judge gave no verdict (budget)"
    assert in_words("brand_new") == "brand new"
