"""Rows that rest in a window wake up with everything that a feature compares."""

from __future__ import annotations

import polars as pl
import pytest

from joiners.interactions import join
from joiners.light import OUTCOME_COLUMNS, REQUEST_COLUMNS, SIGNAL_COLUMNS
from joiners.windows import Window
from streams.resting import Resting
from streams.text_store import TextStore
from tests.factories import START_US, outcome_event, request_event, signal_event
from tests.streams.decoded import decoded_frames

HORIZON_US = 60_000_000
EVENTS = (
    (
        "requests",
        request_event("r1", session_id="s", prompt="how do I pay?", response="With a card.", seconds=0),
    ),
    (
        "requests",
        request_event("r2", session_id="s", prompt="how do I pay now?", response="By card.", seconds=9),
    ),
    (
        "requests",
        request_event("r3", session_id="t", prompt="x", response="I'm sorry, but I can't help.", seconds=1),
    ),
    ("requests", request_event("r4", session_id="u", prompt="alone", response="Fine.", seconds=2)),
    ("signals", signal_event("e1", session_id="s", kind="edit", text="With a credit card.", seconds=4)),
    ("signals", signal_event("e2", session_id="u", kind="comment", text="thank you", seconds=5)),
    ("outcomes", outcome_event("o1", request_id="r4", session_id=None, seconds=6)),
)


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_the_join_of_rested_rows_is_the_join_of_the_rows(memory_bytes: int) -> None:
    frames = decoded_frames(EVENTS)
    resting = Resting(TextStore(memory_bytes=memory_bytes))
    window = Window(horizon_us=HORIZON_US, empty=resting.empty)
    for kind in ("requests", "signals", "outcomes"):
        window.add(kind, resting.rest(kind, frames[kind]))
    due = resting.wake(window.due({0: START_US + 10 * HORIZON_US}))

    rested = join(due.requests, due.signals, due.outcomes, horizon_us=HORIZON_US, context=due.context)
    plain = join(
        frames["requests"].select(REQUEST_COLUMNS),
        frames["signals"].select(SIGNAL_COLUMNS),
        frames["outcomes"].select(OUTCOME_COLUMNS),
        horizon_us=HORIZON_US,
    )

    assert rested.sort("request_id").equals(plain.sort("request_id"))
    found = {row["request_id"]: row for row in plain.iter_rows(named=True)}
    assert found["r1"]["edit_ratio"] > 0
    assert found["r1"]["rephrase_similarity"] > 0
    assert found["r3"]["finish_class"] == "refusal"


def test_texts_nobody_compares_are_not_read_back() -> None:
    frames = decoded_frames(EVENTS)
    resting = Resting(TextStore(memory_bytes=1 << 20))
    window = Window(horizon_us=HORIZON_US, empty=resting.empty)
    for kind in ("requests", "signals"):
        window.add(kind, resting.rest(kind, frames[kind]))
    rows = {
        row["request_id"]: (row["prompt_text"], row["response_text"])
        for row in resting.wake(window.due({0: START_US + 10 * HORIZON_US})).requests.iter_rows(named=True)
    }
    assert rows["r4"] == (None, None)
    assert rows["r1"] == ("how do I pay?", "With a card.")


def test_texts_go_with_the_rows_that_needed_them() -> None:
    frames = decoded_frames(EVENTS)
    store = TextStore(memory_bytes=1 << 20)
    resting = Resting(store)
    window = Window(horizon_us=HORIZON_US, empty=resting.empty)
    window.add("requests", resting.rest("requests", frames["requests"]))
    resting.forget(window.frames)
    assert store.memory_bytes > 0

    window.due({0: START_US + 10 * HORIZON_US})
    window.evict({0: START_US + 10 * HORIZON_US})
    resting.forget(window.frames)

    assert (len(store), store.memory_bytes) == (0, 0)


def test_resting_rows_hold_no_text() -> None:
    frames = decoded_frames(EVENTS)
    resting = Resting(TextStore(memory_bytes=0))
    rows = resting.rest("requests", frames["requests"])
    assert not {"prompt_text", "response_text", "input_messages"} & set(rows.columns)
    assert isinstance(rows.schema["feature"], pl.Categorical)
