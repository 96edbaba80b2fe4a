"""A score explained from the lake: every step, the events behind it, and nothing that was not there."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from contracts.errors import TerminalError
from curation.explain import Explanation, explain
from curation.rescore import rescore
from curation.scoring import DEFAULT_MODEL, PRIOR_WEIGHTS, ScoreModel
from curation.settle import settle
from sinks.lake import Lake
from tests.curation.dialogues import WRONG, asked, did, edited, turned_out
from tests.lakes import HORIZON_US, ingest, new_lake

NOW_US = 1_900_000_000_000_000
SECRET = "The capital of Australia is Canberra, said nobody but me."


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = new_lake(tmp_path / "lake")
    torn = edited("torn", SECRET) + did("torn", "thumbs", value=1, seconds=20)
    torn += did("torn", "dwell", value=900, seconds=5)
    again = [
        event
        for n in range(4)
        for event in asked("again", request_id=f"again-{n}", seconds=n * 60, session_id="session-again")
    ]
    events = torn + again + asked("silent") + asked("broken", error_type="Timeout", response=None)
    ingest(lake, events + turned_out("torn", success=False) + asked("empty", response="..."))
    return lake


def steps(found: Explanation) -> dict[str, list[tuple[str, float, str]]]:
    return {s.signal: [(e.kind, e.after_s, e.value) for e in s.events] for s in found.steps}


def test_every_step_has_the_events_behind_it(lake: Lake) -> None:
    found = explain(lake, "request-torn")
    ratio = lake.interactions().collect().filter(request_id="request-torn")["edit_ratio"].item()
    assert steps(found) == {
        "thumbs": [("thumbs", 20.0, "1")],
        "edit": [("edit", 10.0, f"{len(SECRET)} characters, corrective, {ratio:.0%} changed")],
        "outcome": [("ticket", 60.0, "failure")],
        "dwell": [("dwell", 5.0, "900 ms")],
    }
    assert found.disagreement is not None
    assert found.disagreement > 0.5


def test_the_steps_lead_from_the_prior_to_the_score(lake: Lake) -> None:
    found = explain(lake, "request-torn")
    assert found.prior == pytest.approx(DEFAULT_MODEL.intercept)
    logit = found.prior
    for step in found.steps:
        logit += step.contribution
        assert step.probability == pytest.approx(1 / (1 + math.exp(-logit)))
    assert found.steps[-1].probability == pytest.approx(found.failure_score)
    sizes = [abs(step.contribution) for step in found.steps]
    assert sizes == sorted(sizes, reverse=True)


def test_a_chain_names_the_requests_that_asked_again(lake: Lake) -> None:
    (chain,) = (s for s in explain(lake, "again-0").steps if s.signal == "rephrase_chain")
    assert [(e.event_id, e.after_s) for e in chain.events] == [
        ("again-1", 60.0),
        ("again-2", 120.0),
        ("again-3", 180.0),
    ]
    assert all(e.value == "100% like the prompt before" for e in chain.events)
    assert "rephrase_chain" not in steps(explain(lake, "again-3"))


def test_the_call_itself_is_behind_its_own_failure(lake: Lake) -> None:
    assert steps(explain(lake, "request-broken"))["error"] == [("request", 0.0, "error (Timeout)")]
    assert "empty" in steps(explain(lake, "request-empty"))


def test_what_was_not_observed_is_said(lake: Lake) -> None:
    silent = explain(lake, "request-silent")
    assert {"thumbs", "rating", "edit", "outcome"} <= set(silent.unobserved)
    assert not {"thumbs", "edit", "outcome"} & set(explain(lake, "request-torn").unobserved)


def test_every_revision_is_listed(lake: Lake) -> None:
    ingest(lake, turned_out("silent", success=True, seconds=9_000), first_offset=500, settle_requests=False)
    settle(lake, horizon_us=HORIZON_US, now_us=NOW_US)
    fitted = ScoreModel(weights={**PRIOR_WEIGHTS, "outcome": 1.0}, origin="fitted")
    rescore(lake, now_us=NOW_US + 1, model=fitted)
    found = explain(lake, "request-silent")
    assert [(r.revision, r.evidence, r.score_version) for r in found.revisions] == [
        (1, 0, DEFAULT_MODEL.version),
        (2, 1, DEFAULT_MODEL.version),
        (3, 1, fitted.version),
    ]
    assert found.score_version == fitted.version
    assert steps(found)["outcome"] == [("ticket", 9_000.0, "success")]


def test_what_the_lake_does_not_hold_is_said(lake: Lake) -> None:
    with pytest.raises(TerminalError, match="no request nobody") as caught:
        explain(lake, "nobody")
    assert caught.value.hint
    ingest(lake, asked("open", response=WRONG), first_offset=900, settle_requests=False)
    with pytest.raises(TerminalError, match="not settled yet"):
        explain(lake, "request-open")
