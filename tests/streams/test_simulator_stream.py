"""The simulator's stream: determinism, contract, order, shares, late evidence, malformed messages."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from contracts import reasons
from contracts.errors import SettingsError
from contracts.topics import CONSENTS, INPUT_TOPICS, OUTCOMES, REQUESTS
from contracts.validation import DAY, HOUR, SECOND
from streams.simulator import SimulationConfig, simulate, write_truth
from streams.simulator.records import read_truth
from tests.streams.simulated import Reading, read_all

SMALL = SimulationConfig(sessions=120)


def digest(config: SimulationConfig) -> str:
    simulation, sha = simulate(config), hashlib.sha256()
    for event in simulation.events:
        sha.update(repr((event.topic, event.key, event.value, event.arrives_at_us, event.late)).encode())
    sha.update(repr(simulation.truth).encode())
    return sha.hexdigest()


@pytest.fixture(scope="module")
def reading() -> Reading:
    return read_all(simulate(SimulationConfig()))


def test_same_config_same_bytes_in_another_process():
    # another hash seed would change the order of any set the simulator relied on
    script = (
        "from tests.streams.test_simulator_stream import SMALL, digest\n"
        "import sys; sys.stdout.write(digest(SMALL))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {digest(SMALL)}


def test_every_pass_over_one_simulation_is_the_same():
    simulation = simulate(SMALL)
    assert list(simulation.events) == list(simulation.events)


def test_another_seed_gives_other_bytes():
    assert digest(SMALL) != digest(SimulationConfig(sessions=120, seed=8))


def test_without_malformed_messages_every_value_keeps_the_contract():
    config = SimulationConfig(sessions=400, malformed_rate=0.0, start=datetime(2024, 5, 6, 7, tzinfo=UTC))
    reading = read_all(simulate(config))
    assert reading.reasons == []
    assert {event.topic for event in reading.events} == set(INPUT_TOPICS)
    assert all(config.start_us <= time_us <= config.end_us for _, time_us in reading.times)


@pytest.mark.parametrize("days", [0.1, 1.0, 30.0])
def test_event_times_stay_in_the_span_whatever_its_length(days: float):
    config = SimulationConfig(sessions=300, days=days)
    times = [time_us for _, time_us in read_all(simulate(config)).times]
    assert config.start_us <= min(times)
    assert max(times) <= config.end_us


def test_live_events_arrive_in_order_and_late_ones_come_last(reading: Reading):
    late = [event.late for event in reading.events]
    assert late == sorted(late)
    arrivals = [event.arrives_at_us for event in reading.events]
    assert arrivals == sorted(arrivals)


def test_disorder_is_real_but_bounded_but_for_a_few_stragglers(reading: Reading):
    delays = [event.arrives_at_us - time_us for event, time_us in reading.times if not event.late]
    assert min(delays) >= 0
    beyond = [delay for delay in delays if delay > 45 * SECOND]
    assert 0.001 < len(beyond) / len(delays) < 0.008
    assert max(beyond) <= 90 * 60 * SECOND
    live = [(event, time_us) for event, time_us in reading.times if not event.late]
    assert sum(b < a for (_, a), (_, b) in pairwise(live)) > 0.02 * len(live)


def test_no_stragglers_no_disorder_beyond_the_configured_bound():
    config = SimulationConfig(
        sessions=200, straggler_rate=0.0, duplicate_rate=0.0, malformed_rate=0.0, max_disorder_seconds=20.0
    )
    reading = read_all(simulate(config))
    assert max(e.arrives_at_us - t for e, t in reading.times if not e.late) <= 20 * SECOND


def test_sessions_overlap_in_time(reading: Reading):
    spans = sorted(
        (reading.requests[ids[0]][1], reading.requests[ids[-1]][1]) for ids in reading.sessions.values()
    )
    assert sum(b_start < a_end for (_, a_end), (b_start, _) in pairwise(spans)) > 100


def test_shares_are_as_configured(reading: Reading):
    total = len(reading.times)
    assert reading.duplicates / total == pytest.approx(0.01, abs=0.003)
    assert len(reading.reasons) / total == pytest.approx(0.003, abs=0.0015)
    explicit = {s.request_id for s, _ in reading.signals if s.kind in ("thumbs", "rating")}
    assert len(explicit) / len(reading.requests) == pytest.approx(0.01, abs=0.005)
    actors = Counter(request.actor for request, _ in reading.requests.values())
    assert actors["internal"] / len(reading.requests) == pytest.approx(0.04, abs=0.02)
    assert actors["synthetic"] / len(reading.requests) == pytest.approx(0.03, abs=0.02)


def test_malformed_messages_break_in_many_ways():
    reading = read_all(simulate(SimulationConfig(sessions=300, malformed_rate=0.3)))
    # an oversized value would be refused by the producer before any worker saw it
    assert set(reading.reasons) == set(reasons.DESCRIPTIONS) - {
        reasons.TOO_LARGE,
        reasons.POISON,
        reasons.ERASED,
    }


def test_malformed_messages_are_additions_that_change_nothing_else():
    def rest(rate: float) -> set[str]:
        simulation = simulate(SimulationConfig(sessions=100, malformed_rate=rate))
        return set(read_all(simulation).requests)

    assert rest(0.0) == rest(0.5)


def test_keys_are_the_session_the_user_or_the_request(reading: Reading):
    sessionless = 0
    for event, _ in reading.times:
        assert event.value is not None
        assert event.key is not None
        if event.topic == CONSENTS:
            assert b'"user_id":"' + event.key in event.value
        elif b'"session_id":"' + event.key not in event.value:
            assert b'"request_id":"' + event.key in event.value
            assert b'"session_id"' not in event.value
            sessionless += event.topic == REQUESTS
    assert sessionless > 10


def test_outcomes_come_minutes_to_days_later_and_some_are_amended(reading: Reading):
    outcomes = {outcome.event_id: (outcome, time_us, event) for outcome, time_us, event in reading.outcomes}
    amendments = [o for o, _, _ in outcomes.values() if o.supersedes]
    assert len(amendments) > 0.03 * len(outcomes)
    for amendment in amendments:
        original, before, event = outcomes[amendment.supersedes or ""]
        _, after, amending = outcomes[amendment.event_id]
        assert before <= after
        assert original.success != amendment.success
        assert event.late <= amending.late
    assert sum(o.success is None for o, _, _ in outcomes.values()) > 0.02 * len(outcomes)
    assert sum(o.session_id is None for o, _, _ in outcomes.values()) > 0.03 * len(outcomes)
    assert sum(o.request_id is None for o, _, _ in outcomes.values()) > 0.01 * len(outcomes)
    delays = [t - reading.requests[o.request_id][1] for o, t, _ in outcomes.values() if o.request_id]
    assert min(delays) < HOUR
    assert max(delays) > 2 * DAY
    assert 0.2 < sum(e.late for _, _, e in outcomes.values()) / len(outcomes) < 0.35
    assert {e.topic for e in reading.events if e.late} == {OUTCOMES}


def test_consent_is_granted_withheld_unknown_and_changes(reading: Reading):
    states = Counter(
        "unknown" if r.consent is None else "training" if "training" in r.consent.scopes else "withheld"
        for r, _ in reading.requests.values()
        if r.user_id
    )
    assert min(states["unknown"], states["withheld"]) > 0.03 * sum(states.values())
    assert states["training"] > 0.6 * sum(states.values())
    assert {change.granted for change, _ in reading.consents} == {True, False}
    # requests follow the change from its moment on
    followed = 0
    for change, time_us in reading.consents:
        later = [t for other, t in reading.consents if other.user_id == change.user_id and t > time_us]
        for request, t in reading.requests.values():
            if request.user_id == change.user_id and time_us <= t < min(later, default=t + 1):
                assert request.consent is not None
                assert ("training" in request.consent.scopes) == change.granted
                followed += 1
    assert followed > 10


def test_truth_never_appears_in_events(reading: Reading):
    for event in reading.events:
        value = event.value or b""
        for word in (b'"bad"', b'"truth"', b'"reason"', b"wrong_fact", b"ignored_instruction", b"off_topic"):
            assert word not in value


def test_truth_goes_to_a_file_with_one_row_per_request(tmp_path, reading: Reading):
    simulation = simulate(SimulationConfig())
    path = tmp_path / "deep" / "truth.jsonl"
    write_truth(path, simulation.truth)
    truths = read_truth(path)
    assert truths == simulation.truth
    assert {t.request_id for t in truths} == set(reading.requests)
    assert len({t.request_id for t in truths}) == len(truths)
    assert all(t.session_id == reading.session_of(t.request_id) for t in truths)
    assert all(t.bad == (t.reason is not None) for t in truths)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sessions": 0},
        {"failure_rate": 1.5},
        {"days": 0.0},
        {"start": datetime(2025, 1, 1)},
        {"regressed_feature": "poetry"},
        {"max_disorder_seconds": -1.0},
    ],
)
def test_impossible_configs_are_refused_with_a_hint(wrong: dict[str, object]):
    with pytest.raises(SettingsError) as error:
        SimulationConfig(**wrong)  # type: ignore[arg-type]
    assert error.value.hint
