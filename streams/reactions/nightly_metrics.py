"""Metrics of the scheduled build: those of the schedule, the same on every worker that watches it.

Alert on ``time() - tailrace_nightly_last_success_timestamp_seconds`` for a night that did not come to
be, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from sinks.nightly_runs import CLAIMED, FAILED, PUBLISHED, RUNNING, UNCHANGED
from streams.reactions.nights import Overview

_STATES = (CLAIMED, RUNNING, PUBLISHED, UNCHANGED, FAILED)
_LIVE = (CLAIMED, RUNNING)


def nightly_metrics(nightly: Overview) -> Iterable[Metric]:
    """Where the schedule stands. A moment that has not come yet has no sample."""
    last = nightly.last
    live = last is not None and last.state in _LIVE
    yield from _moment(
        "last_success",
        "When a night last ended well (published or unchanged), Unix time",
        nightly.last_success,
    )
    yield from _moment("next", "Next scheduled moment, Unix time", nightly.next)
    yield from _moment(
        "last_night", "Newest night that was taken up, Unix time", last.night if last else None
    )
    yield from _moment(
        "heartbeat", "Last sign of life of the build under way, Unix time", last.at if last and live else None
    )
    states = GaugeMetricFamily(
        "tailrace_nightly_state", "1 for how the newest night stands", labels=["state"]
    )
    for state in _STATES:
        states.add_metric([state], int(last is not None and last.state == state))
    yield states
    yield GaugeMetricFamily(
        "tailrace_nightly_failed_attempts",
        "Attempts at the newest night that failed",
        value=nightly.failed_attempts,
    )


def _moment(name: str, text: str, moment: datetime | None) -> Iterable[Metric]:
    if moment is not None:
        yield GaugeMetricFamily(f"tailrace_nightly_{name}_timestamp_seconds", text, value=moment.timestamp())
