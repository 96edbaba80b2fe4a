"""Whatever happens to the stream, the lake ends as a plain join of the same events, and always adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from curation.settle import settle
from joiners.interactions import JOINED_COLUMNS, join
from sinks.accounting import account
from sinks.lake import Lake
from tests.factories import SECOND, START_US, at, us
from tests.joiners import reference
from tests.joiners.disturbed import BASE, Disturbed, disturbed
from tests.joiners.lives import HORIZON_US, STEPS, TOPICS, Template, Turn, decoded, live, messages
from tests.strategies import HORIZON, KINDS, Place, Row

Owned = tuple[tuple[int, ...], ...]
"""Partitions of each worker."""

WAITS = (12, 25, 6, 40, 1, 86_400)
"""Ticks before a turn."""

wild = st.builds(
    Turn,
    wait=st.sampled_from(WAITS),
    size=st.sampled_from([40, 40, 5, 2, 0]),
    then=st.sampled_from(["", "", "", "restart", "settle", *STEPS]),
)
calm = st.builds(
    Turn,
    wait=st.sampled_from(WAITS),
    size=st.sampled_from([40, 40, 40, 5]),
    then=st.sampled_from(["", "", "", "restart", "settle"]),
)
QUIET = [Turn(30, 40), Turn(30, 40)]
"""Everything that has come is read, and its windows close. What is days late really comes after that."""

courses = st.lists(calm, min_size=2, max_size=7) | st.builds(
    list.__add__, st.lists(wild, min_size=2, max_size=7), st.sampled_from([QUIET, []])
)
"""Turns of the workers."""

owners = st.sampled_from([((0, 1),), ((0,), (1,))])


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template(tmp_path_factory.mktemp("lakes"))


def expected_accounting(lake: Lake, traffic: Disturbed, stored: Mapping[Place, set[int]]) -> dict[str, int]:
    """What became of every message stored so far, one by one."""
    seen: dict[str, list[Row]] = {kind: [] for kind in (*KINDS, "consents")}
    dead = 0
    for (kind, partition), offsets in stored.items():
        for offset in sorted(offsets):
            sent = traffic.logs[kind, partition][offset]
            if sent.row is None:
                dead += 1
            else:
                seen[kind].append(sent.row | {"partition": partition, "offset": offset})
    rows = lake.interactions().collect().to_dicts()
    settled = {row["request_id"] for row in rows}
    requests = reference.first_copies(seen["requests"], "request_id")
    counts = Counter(dead_letter=dead)
    counts["joined"] = len({row["event_id"] for row in seen["consents"]})
    counts["duplicate"] = len(seen["consents"]) - counts["joined"]
    counts["duplicate"] += len(seen["requests"]) - len(requests)
    for request in requests:
        counts["joined" if request["request_id"] in settled else "pending"] += 1
    watermarks = lake.watermarks()
    for kind in ("signals", "outcomes"):
        held = {event for row in rows for event in row[f"{kind[:-1]}_ids"]}
        events = reference.first_copies(seen[kind], "event_id")
        counts["duplicate"] += len(seen[kind]) - len(events)
        for event in events:
            target = reference.own_target(event, requests)
            closes = START_US + event["us"] * SECOND + HORIZON_US
            if event["event_id"] in held:
                counts["joined"] += 1
            elif target is not None:
                counts["late" if target in settled else "pending"] += 1
            elif closes > watermarks.get(event["partition"], 0):
                counts["pending"] += 1
            else:
                counts["orphan"] += 1
    return counts


def stored_messages(lake: Lake) -> dict[Place, set[int]]:
    """Offsets per place that the bronze tables and the dead letters hold; each once."""
    kinds = {topic: kind for kind, topic in TOPICS.items()}
    places = [
        lake.scan(kind).select(pl.lit(kind).alias("kind"), "partition", "offset")
        for kind in (*KINDS, "consents")
    ]
    dead = pl.col("topic").replace_strict(kinds, return_dtype=pl.String)
    places.append(lake.scan("dead_letters").select(dead.alias("kind"), "partition", "offset"))
    found = pl.concat(places).collect()
    assert not found.is_duplicated().any()
    stored: dict[Place, set[int]] = {}
    for kind, partition, offset in found.iter_rows():
        stored.setdefault((kind, partition), set()).add(offset)
    return stored


def plain_join(traffic: Disturbed) -> pl.DataFrame:
    """Everything decoded and joined at once."""
    batch = [m for place, log in traffic.logs.items() for m in messages(traffic, place, 0, len(log))]
    frames = decoded(batch, START_US).frames
    return join(*(frames[kind] for kind in KINDS), horizon_us=HORIZON_US, late_evidence=True)


def _rounded(value: Any) -> Any:
    return round(value, 9) if isinstance(value, float) else value


def check(lakes: Template, traffic: Disturbed, course: list[Turn], owned: Owned) -> None:
    with lakes.new() as lake:
        check_on(lake, traffic, course, owned)


def check_on(lake: Lake, traffic: Disturbed, course: list[Turn], owned: Owned) -> None:
    reached: dict[int, int] = {}
    settled: set[tuple[int, int]] = set()

    def adds_up(read: Mapping[Place, int]) -> None:
        late_ones_are_marked(lake, reached, settled)
        # A worker that died in the middle of a checkpoint may have stored more than it was told of.
        stored = stored_messages(lake)
        assert all(stored.get(place, set()) >= set(range(end)) for place, end in read.items())
        found = account(lake, horizon_us=HORIZON_US).as_dict()
        assert found.pop("consumed") == sum(map(len, stored.values()))
        expected = expected_accounting(lake, traffic, stored)
        assert found == {name: expected[name] for name in found}

    def fold_in(now: int) -> None:
        settle(lake, horizon_us=HORIZON_US, now_us=START_US + now * SECOND)

    live(lake, traffic, course, owners=owned, settle=fold_in, stored=adds_up)

    current = lake.interactions().collect()
    whole = plain_join(traffic)
    assert_frame_equal(
        current.select(JOINED_COLUMNS).sort("request_id"), whole.select(JOINED_COLUMNS).sort("request_id")
    )
    wanted = reference.join(*(traffic.rows(kind) for kind in KINDS), horizon=HORIZON, ever=True)
    found = {row["request_id"]: row for row in current.to_dicts()}
    assert sorted(found) == sorted(wanted)
    for request_id, expected in wanted.items():
        row = found[request_id] | {
            "until": us(found[request_id]["evidence_until"]) // SECOND - START_US // SECOND
        }
        assert {n: _rounded(row[n]) for n in expected} == {n: _rounded(v) for n, v in expected.items()}

    adds_up({place: len(log) for place, log in traffic.logs.items()})
    final = account(lake, horizon_us=HORIZON_US)
    assert final.late == 0

    version = lake.version("interactions")
    again = settle(lake, horizon_us=HORIZON_US, now_us=START_US)
    assert (again.late_events, again.revised, lake.version("interactions")) == (0, 0, version)
    nothing_is_twice(lake, traffic)
    nothing_leaks(lake, traffic)


def late_ones_are_marked(lake: Lake, reached: dict[int, int], settled: set[tuple[int, int]]) -> None:
    """Watermarks of partitions never go back, and what settles behind them says that it came late.

    `reached` and `settled`: watermarks and places of settled requests at the last look.
    """
    rows = lake.scan("interactions").filter(revision=1).collect()
    for partition, offset, when, late in rows.select(
        "partition", "offset", "occurred_at", "late"
    ).iter_rows():
        if (partition, offset) not in settled and us(when) + HORIZON_US <= reached.get(partition, 0):
            assert late
    settled.update(rows.select("partition", "offset").iter_rows())
    now = lake.watermarks()
    assert all(now[partition] >= before for partition, before in reached.items())
    reached.update(now)


def copies(traffic: Disturbed, kind: str) -> dict[str, set[int]]:
    """Times of the copies of each event."""
    found: dict[str, set[int]] = {}
    for row in traffic.rows(kind):
        found.setdefault(row["request_id" if kind == "requests" else "event_id"], set()).add(row["us"])
    return found


def nothing_is_twice(lake: Lake, traffic: Disturbed) -> None:
    """One row per revision. Only a repeat at another time may have made a first one again, in no view."""
    rows = lake.scan("interactions").collect()
    again = rows.filter(rows.select("request_id", "revision").is_duplicated())
    times = copies(traffic, "requests")
    assert all(len(times[name]) > 1 for name in again["request_id"])
    seen = lake.interactions(revisions=True).collect()
    assert not seen.select("request_id", "revision").is_duplicated().any()
    firsts = reference.first_copies(again.filter(revision=1).to_dicts(), "request_id")
    shown = {row["request_id"]: row["offset"] for row in seen.filter(revision=1).to_dicts()}
    assert all(shown[row["request_id"]] == row["offset"] for row in firsts)


def nothing_leaks(lake: Lake, traffic: Disturbed) -> None:
    """A view as of a time holds nothing that happened after it."""
    times = {kind: copies(traffic, kind) for kind in KINDS}
    for seconds in (BASE + 5, BASE + 30, BASE + 86_400):
        rows = lake.interactions(as_of=at(seconds)).collect()
        assert not rows["request_id"].is_duplicated().any()
        for row in rows.to_dicts():
            assert row["occurred_at"] <= at(seconds)
            known = {"requests": [row["request_id"], row["next_request_id"] or row["request_id"]]}
            known |= {kind: row[f"{kind[:-1]}_ids"] for kind in ("signals", "outcomes")}
            for kind, ids in known.items():
                # Of an event that came again at another time, either may be meant.
                assert all(min(times[kind][i]) <= seconds for i in ids)


# Seconds when it passes. When it fails, hypothesis takes up to five minutes to make the example small.
@pytest.mark.timeout(900)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(disturbed(), courses, owners)
def test_the_lake_ends_as_a_plain_join(
    lakes: Template, traffic: Disturbed, course: list[Turn], owned: Owned
) -> None:
    check(lakes, traffic, course, owned)


@pytest.mark.faults
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(3))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(disturbed(), courses, owners)
def test_the_lake_ends_as_a_plain_join_in_hundreds_of_courses(
    lakes: Template, part: int, traffic: Disturbed, course: list[Turn], owned: Owned
) -> None:
    check(lakes, traffic, course, owned)
