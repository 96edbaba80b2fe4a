"""The status of a deployment, read from its lake (and its broker, when that answers)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from contracts.errors import BrokerUnavailable
from contracts.settings import Settings
from contracts.validation import SECOND
from sinks.accounting import Accounting, account
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.nightly_runs import read_runs
from streams.lag import lag
from streams.reactions.nights import Overview, overview


@dataclass(frozen=True, slots=True)
class Status:
    """Where the pipeline stands. `lag` is None when the broker does not answer."""

    events: Accounting
    interactions: int
    failures: int
    watermark: str | None
    lag: int | None
    drops: int
    nightly: Overview

    def as_dict(self) -> dict[str, Any]:
        """For `tailrace status --json` and the worker's /status."""
        return {
            "events": self.events.as_dict(),
            "interactions": self.interactions,
            "failures": self.failures,
            "watermark": self.watermark,
            "lag": self.lag,
            "drops": self.drops,
            "nightly": self.nightly.as_dict(),
        }


def watermark_text(watermark_us: int | None) -> str:
    """A watermark as RFC 3339, UTC to the second; a dash when there is none yet."""
    if watermark_us is None:
        return "–"
    return f"{datetime.fromtimestamp(watermark_us / SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"


def read_status(settings: Settings, lake: Lake, *, now: datetime | None = None) -> Status:
    """Read everything `tailrace status` shows. Scans the lake; asks the broker for its end offsets.

    `now` (default: the clock) decides when the next night is. Raises `SettingsError` when the schedule is
    no cron expression, `LakeUnavailable` or `LakeDamaged` when the lake cannot be read.
    """
    with translated(lake, "interactions", "requests", "signals", "outcomes"):
        return _read(settings, lake, now or datetime.now(UTC))


def _read(settings: Settings, lake: Lake, now: datetime) -> Status:
    try:
        behind: int | None = lag(settings.kafka, lake)
    except BrokerUnavailable:
        behind = None
    watermarks = lake.watermarks()
    current = lake.interactions().select("failure_score").collect()["failure_score"]
    return Status(
        events=account(lake, horizon_us=settings.join.horizon_us),
        interactions=current.len(),
        failures=int((current >= settings.curation.failure_threshold).sum()),
        watermark=watermark_text(min(watermarks.values())) if watermarks else None,
        lag=behind,
        drops=int(lake.scan("drops").select(pl.len()).collect().item()),
        nightly=overview(read_runs(lake, settings.curation.channel), now, settings.nightly),
    )
