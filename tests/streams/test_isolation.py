"""Isolation finds the fewest rows that break a step, whatever breaks it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.exceptions import PanicException

from contracts.errors import LakeUnavailable, TableInvalid, TerminalError
from streams.isolation import Isolated, Poison, Rows, isolate, smallest_failing, without


def frame(rows: Sequence[tuple[str | None, str | None]], first: int = 0) -> pl.DataFrame:
    """Rows of (session, request) at partition 0, offsets counting from `first`."""
    return pl.DataFrame(
        {
            "session_id": [s for s, _ in rows],
            "request_id": [r for _, r in rows],
            "partition": [0] * len(rows),
            "offset": range(first, first + len(rows)),
        },
        schema={
            "session_id": pl.String,
            "request_id": pl.String,
            "partition": pl.Int32,
            "offset": pl.Int64,
        },
    )


def world(sessions: int = 8) -> dict[str, pl.DataFrame]:
    """Per session two requests, a signal by session and one by request; an outcome without a session."""
    names = [f"s{n}" for n in range(sessions)]
    return {
        "requests": frame([(s, f"{s}-r{n}") for s in names for n in (0, 1)]),
        "signals": frame([(s, r) for s in names for r in (None, f"{s}-r1")]),
        "outcomes": frame([(None, f"{s}-r0") for s in names]),
    }


def places(rows: Rows) -> set[tuple[str, int]]:
    return {(name, offset) for name, f in rows.items() for offset in f["offset"].to_list()}


class Step:
    """Fails when all rows of one of the sets are there; else returns the places it got."""

    def __init__(self, *bad: set[tuple[str, int]], error: type[BaseException] = ZeroDivisionError) -> None:
        self.bad = bad
        self.error = error
        self.calls = 0

    def __call__(self, rows: Rows) -> set[tuple[str, int]]:
        self.calls += 1
        seen = places(rows)
        if any(bad <= seen for bad in self.bad):
            raise self.error("breaks")
        return seen


def test_good_rows_cost_one_call() -> None:
    step = Step()
    assert isolate(world(), step) == Isolated(places(world()))
    assert step.calls == 1


@pytest.mark.parametrize("place", [("requests", 5), ("signals", 0), ("outcomes", 7)])
def test_one_bad_row_is_left_out_and_nothing_else(place: tuple[str, int]) -> None:
    found = isolate(world(), Step({place}))
    assert found.poison == (Poison(place[0], 0, place[1], "ZeroDivisionError"),)
    assert found.result == places(world()) - {place}


def test_the_request_is_kept_when_its_evidence_can_go() -> None:
    found = isolate(world(), Step({("requests", 2), ("outcomes", 1)}))
    assert [(p.kind, p.offset) for p in found.poison] == [("outcomes", 1)]


def test_rows_that_fail_only_with_another_session() -> None:
    found = isolate(world(), Step({("signals", 0), ("signals", 14)}))
    assert [(p.kind, p.offset) for p in found.poison] == [("signals", 14)]


def test_a_table_refused_and_a_panic_are_a_rows_fault() -> None:
    for error in (TableInvalid, PanicException):
        found = isolate(world(), Step({("signals", 3)}, error=error))
        assert [p.error for p in found.poison] == [error.__name__]


@pytest.mark.parametrize("error", [LakeUnavailable, TerminalError, OSError, MemoryError, KeyboardInterrupt])
def test_what_no_row_causes_passes_through(error: type[BaseException]) -> None:
    step = Step({("signals", 3)}, error=error)
    with pytest.raises(error):
        isolate(world(), step)
    assert step.calls == 1


def test_a_step_that_always_fails_is_a_defect_and_not_poison() -> None:
    with pytest.raises(TerminalError, match="ZeroDivisionError") as caught:
        isolate(world(), Step(set()))
    assert caught.value.hint
    assert "breaks" not in str(caught.value)


def test_too_much_poison_stops_before_everything_was_tried() -> None:
    rows = world(500)
    step = Step(*({("requests", offset)} for offset in range(1000)))
    with pytest.raises(TerminalError):
        isolate(rows, step, most=10)
    assert step.calls < 200


def test_an_input_can_be_named_for_its_kind_of_event() -> None:
    rows = {"requests": frame([("s", "a")]), "context": frame([("s", "b")], first=7)}
    found = isolate(rows, Step({("context", 7)}), kinds={"context": "requests"})
    assert found.poison == (Poison("requests", 0, 7, "ZeroDivisionError"),)


PLACES = sorted(places(world()))


@given(st.lists(st.sets(st.sampled_from(PLACES), min_size=1, max_size=3), min_size=1, max_size=4))
def test_whatever_breaks_a_step_it_works_without_the_poison(bad: list[set[tuple[str, int]]]) -> None:
    found = isolate(world(), Step(*bad))
    gone = {(p.kind, p.offset) for p in found.poison}
    assert found.result == set(PLACES) - gone
    # Each one is needed: it belongs to a set that is otherwise complete.
    assert all(gone & one for one in bad)
    assert gone <= set.union(*bad)
    assert len(gone) <= len(bad)


@given(st.sets(st.integers(0, 40), min_size=1, max_size=4))
def test_smallest_failing_is_exact_for_one_cause(cause: set[int]) -> None:
    assert set(smallest_failing(range(41), lambda chosen: cause <= set(chosen))) == cause


def test_the_search_takes_few_calls() -> None:
    step = Step({("requests", 3001)})
    assert len(isolate(world(2000), step).poison) == 1
    assert step.calls < 60


def test_without_keeps_the_order_of_the_others() -> None:
    rows = frame([("s", str(n)) for n in range(5)])
    assert without(rows, [(0, 1), (0, 3), (1, 2)])["offset"].to_list() == [0, 2, 4]
    assert without(rows, []).equals(rows)
