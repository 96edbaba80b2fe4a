"""The gate over a real lake: what its traffic repeats is no leak, and the same lake gives the same index."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest

from curation.candidates import pin_inputs
from curation.contamination.traffic import load_index
from curation.texts.tokens import tokens
from sinks.evals import active_sets, register
from sinks.lake import Lake
from tests.curation.contamination.samples import DUCKS, PLAIN, rows
from tests.factories import at, request_event
from tests.lakes import ingest, new_lake

SYSTEM = "You are the careful maths tutor of Riverside school, you answer in steps and end with one number."
LATE = 10_000.0


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """30 users' sessions with one system prompt, an evaluation run by ourselves, and one late request."""
    lake = new_lake(tmp_path / "lake")
    message = {"role": "system", "content": SYSTEM}
    events = [
        (
            "request",
            {
                **request_event(f"r{n}", seconds=n, session_id=f"s{n}", actor="user", response="Let me see."),
                "prompt": None,
                "input_messages": [message, {"role": "user", "content": f"{PLAIN} {n}"}],
            },
        )
        for n in range(30)
    ]
    events += [
        (
            "request",
            request_event(f"own{n}", seconds=40 + n, session_id=f"own{n}", actor="internal", prompt=DUCKS),
        )
        for n in range(30)
    ]
    events.append(("request", request_event("late", seconds=LATE, session_id="late", prompt=PLAIN)))
    ingest(lake, events)
    path = tmp_path / "demo.jsonl"
    path.write_text(
        json.dumps({"id": "ducks", "question": DUCKS})
        + "\n"
        + json.dumps({"id": "template", "question": f"{SYSTEM} What is seven times eight?"})
        + "\n"
    )
    now = datetime(2026, 3, 1, tzinfo=UTC)
    register(lake, "demo", path, (), count_tokens=lambda t: len(tokens(t)), short=8, now=now)
    return lake


def test_a_system_prompt_shared_with_an_eval_template_raises_no_alarm(lake: Lake) -> None:
    index = load_index(lake, active_sets(lake), pin_inputs(lake), at(LATE))
    found = index.check(rows(f"{SYSTEM} What is a prime?", DUCKS))
    # Our own evaluation runs are no traffic: what they repeat is not ordinary.
    assert set(found.select("key", "item_id").rows()) == {("r1", "ducks")}
    before = load_index(lake, active_sets(lake), pin_inputs(lake), at(5))
    assert ("r0", "template") in set(
        before.check(rows(f"{SYSTEM} What is a prime?")).select("key", "item_id").rows()
    )


def test_the_same_lake_gives_the_same_index(lake: Lake) -> None:
    versions, sets = pin_inputs(lake), active_sets(lake)
    first = load_index(lake, sets, versions, at(LATE), sessions=25)
    ingest(
        lake,
        [("request", request_event("more", seconds=LATE - 1, session_id="more", prompt=DUCKS))],
        first_offset=99,
    )
    again = load_index(lake, sets, versions, at(LATE), sessions=25)
    assert pickle.dumps(first.literal) == pickle.dumps(again.literal)
    frame = rows(f"{SYSTEM} What is a prime?", DUCKS, PLAIN)
    assert again.check(frame).equals(first.check(frame))


def test_a_lake_without_eval_sets_flags_nothing(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    ingest(lake, [("request", request_event("r1", prompt=DUCKS))])
    index = load_index(lake, active_sets(lake), pin_inputs(lake), at(LATE))
    assert index.check(rows(DUCKS)).is_empty()
