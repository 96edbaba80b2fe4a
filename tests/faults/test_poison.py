"""Valid events that break a later step: dead letters, each once, and the stream goes on."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec
import polars as pl
import pytest

from contracts import reasons
from contracts.errors import TerminalError
from curation.settle import settle
from tests.brokers import Make
from tests.faults.process import FAILED, at_step
from tests.faults.traffic import HORIZON_S, request_ids
from tests.faults.world import CHUNK, PARTITIONS, World


@pytest.fixture
def world(apache_kafka_settings: Make, tmp_path: Path) -> World:
    return World(apache_kafka_settings(partitions=PARTITIONS), tmp_path / "w")


def run_until_killed(world: World, point: str) -> None:
    """Feed a worker until its fault ends it."""
    with world.worker(at_step(point)) as worker:
        while worker.code is None:
            done = worker.says("checkpoints")
            world.feeder.feed(CHUNK)
            worker.wait_until(
                lambda w, done=done: w.code is not None or w.says("checkpoints") > done,  # type: ignore[misc]
                "goes on",
            )
        assert worker.code == -signal.SIGKILL, worker.log[-3000:]


def check_poison(world: World, requests: Sequence[str], signals: Sequence[str], error: str) -> None:
    """Exactly these events are dead letters, each once and with its bytes; all else was joined."""
    rows = world.lake.scan("dead_letters").filter(reason=reasons.POISON).collect()
    events = [msgspec.json.decode(value) for value in rows["value"].to_list()]
    assert sorted(e["event_id"] for e in events) == sorted([*(f"event-{r}" for r in requests), *signals])
    assert all(error in detail for detail in rows["detail"])
    sent = {value for _, _, value in world.feeder.sent_events}
    assert set(rows["value"]) <= sent
    interactions = world.lake.scan("interactions").collect()
    assert set(interactions["request_id"]) == request_ids(world.feeder.sent_events) - set(requests)
    assert interactions["request_id"].n_unique() == interactions.height
    assert not set(signals) & set(interactions["signal_ids"].explode())


@pytest.mark.parametrize("point", ["poison", pytest.param("outputs", marks=pytest.mark.faults)])
def test_poison_is_set_aside_once_though_the_worker_dies(world: World, point: str) -> None:
    bad_signal, bad_request = f"{world.tag}-s2-r0-g", f"{world.tag}-s4-r0"
    world.options["breaks_join"] = [bad_signal, bad_request]
    # The poison is durable, its checkpoint is not: all of it is read and joined again.
    run_until_killed(world, point)
    world.feeder.feed(4 * CHUNK)
    world.finish()
    check_poison(world, [bad_request], [bad_signal], "ZeroDivisionError")
    rows = world.lake.scan("dead_letters").filter(reason=reasons.POISON)
    assert rows.select(pl.len()).collect().item() == 2


def test_an_interaction_that_its_table_refuses(world: World) -> None:
    bad = [f"{world.tag}-s1-r0", f"{world.tag}-s3-r1"]
    world.options["breaks_table"] = bad
    world.feeder.feed(6 * CHUNK)
    world.finish()
    check_poison(world, bad, [], "TableInvalid")


def test_a_defect_that_no_event_causes_stops_the_worker(world: World) -> None:
    world.feeder.feed(10 * CHUNK)
    world.options["breaks_join"] = sorted(request_ids(world.feeder.sent_events))
    with world.drain() as worker:
        assert worker.wait() == FAILED
        error = worker.status["error"]
    assert error["type"] == TerminalError.__name__
    assert "ZeroDivisionError" in error["message"]
    assert world.lake.scan("dead_letters").filter(reason=reasons.POISON).collect().is_empty()
    world.options.clear()
    world.finish()
    world.check()


def test_poison_counts_once_and_settle_passes_it_by(world: World) -> None:
    bad_signal, bad_request = f"{world.tag}-s2-r0-g", f"{world.tag}-s4-r0"
    world.options["breaks_join"] = [bad_signal, bad_request]
    world.feeder.feed(8 * CHUNK)
    world.finish()
    counts = world.accounting()
    letters = world.lake.scan("dead_letters").collect()
    assert counts.consumed == world.feeder.sent
    assert counts.dead_letter == letters.height
    assert set(letters.filter(reason=reasons.POISON)["partition"]) <= set(range(PARTITIONS))
    assert counts.pending == 0
    settle(world.lake, horizon_us=round(HORIZON_S * 1_000_000), now_us=1)
    interactions = world.lake.interactions().collect()
    assert bad_request not in interactions["request_id"].to_list()
    assert bad_signal not in interactions["signal_ids"].explode().to_list()
    assert world.accounting().consumed == world.feeder.sent
