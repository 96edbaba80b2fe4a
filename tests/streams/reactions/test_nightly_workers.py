"""The schedule in real workers: a missed night is made up for at start, and taken over after a kill -9."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.settings import Settings
from sinks.lake import Lake
from sinks.nightly_runs import CLAIMED, FAILED, PUBLISHED, RUNNING, read_runs
from streams.reactions.app import REACTIONS
from tests.stores.drops import published_drop
from tests.streams.reactions.conftest import Worker, until
from tests.streams.reactions.watching import announced, home_with

HOURLY = "0 * * * *"


def nightly(worker: Worker) -> dict[str, Any]:
    if not worker.ready():
        return {"state": None}
    found: dict[str, Any] = worker.status()["nightly"]
    return found


def drops(settings: Settings) -> list[dict[str, Any]]:
    return Lake(settings.lake_root).scan("drops").collect().to_dicts()


def test_a_missed_night_is_made_up_for_at_start(
    place: Settings, start: Callable[..., Worker], tmp_path: Path
) -> None:
    settings = home_with(place, tmp_path, "r1", "r2", cron=HOURLY)
    worker = start(REACTIONS, settings=settings, fault="look-often")
    shown = until(lambda: (n := nightly(worker))["state"] == PUBLISHED and n, "the drop", timeout=90)
    (drop,) = drops(settings)
    assert (shown["drop_id"], shown["failed_attempts"]) == (drop["drop_id"], 0)
    assert shown["night"] == f"{drop['scheduled_for']:%Y-%m-%dT%H:%M:%SZ}"
    assert shown["night"] < shown["last_success_at"] < shown["next"]
    assert len(announced(settings, drop)) == 1

    def metrics() -> dict[str, float]:
        families = text_string_to_metric_families(worker.get("/metrics")[1])
        return {sample.name: sample.value for family in families for sample in family.samples}

    found = until(
        lambda: (m := metrics()).get("tailrace_nightly_last_success_timestamp_seconds") and m, "the metric"
    )
    assert found["tailrace_nightly_failed_attempts"] == 0
    assert (
        found["tailrace_nightly_next_timestamp_seconds"]
        > found["tailrace_nightly_last_night_timestamp_seconds"]
    )
    # A drop published by hand while the worker runs is announced by it, too; that of the night not again.
    by_hand = published_drop(Lake(settings.lake_root), settings.drops_root, channel="by-hand")
    assert len(announced(settings, {"path": by_hand})) == 1
    assert len(announced(settings, drop)) == 1
    assert worker.stop() == 0


@pytest.mark.faults
def test_a_night_whose_worker_was_killed_is_taken_over_by_another(
    place: Settings, start: Callable[..., Worker], tmp_path: Path
) -> None:
    """Killed between moving the drop's folder into place and registering it."""
    settings = home_with(place, tmp_path / "home", "r1", "r2", cron=HOURLY, heartbeat_seconds=0.5)
    mark = tmp_path / "building"
    first = start(REACTIONS, settings=settings, fault=f"hang-building:{mark}")
    until(mark.exists, "the first worker builds")
    second = start(REACTIONS, settings=settings)
    until(second.ready, "the second worker ready")
    lake = Lake(settings.lake_root)
    until(lambda: any(run.state == RUNNING for run in read_runs(lake, "default")), "a heartbeat")
    assert drops(settings) == []
    first.process.kill()
    until(lambda: drops(settings), "the drop")
    shown = until(lambda: (n := nightly(second))["state"] == PUBLISHED and n, "the end of the night")
    assert (shown["attempt"], shown["failed_attempts"]) == (2, 1)
    ends = [(run.attempt, run.state) for run in read_runs(lake, "default") if run.attempt]
    assert [end for end in ends if end[1] not in (CLAIMED, RUNNING)] == [(1, FAILED), (2, PUBLISHED)]
    (drop,) = drops(settings)
    assert len(announced(settings, drop)) == 1
    assert [path.name for path in settings.drops_root.iterdir() if path.is_dir()] == [drop["path"]]
