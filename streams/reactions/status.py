"""What /status and /health say."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from contracts.errors import BrokerUnavailable
from contracts.settings import Settings
from contracts.validation import SECOND
from sinks.accounting import account
from sinks.lake import Lake
from streams.join_pipeline import JoinStats
from streams.lag import lag
from streams.reactions.stats import ReactionStats
from streams.reactions.threads import in_thread

FRESH_S: Final = 2.0


def lake_status(settings: Settings, lake: Lake) -> dict[str, Any]:
    """Where the pipeline stands, in the shape of `tailrace status --json`. Blocking; scans the lake."""
    try:
        behind: int | None = lag(settings.kafka, lake)
    except BrokerUnavailable:
        behind = None
    watermark = min(lake.watermarks().values(), default=None)
    scores = lake.interactions().select("failure_score").collect()["failure_score"]
    return {
        "events": account(lake, horizon_us=settings.join.horizon_us).as_dict(),
        "interactions": scores.len(),
        "failures": int((scores >= settings.curation.failure_threshold).sum()),
        "watermark": None
        if watermark is None
        else f"{datetime.fromtimestamp(watermark / SECOND, UTC):%Y-%m-%d %H:%M:%S}Z",
        "lag": behind,
        "drops": int(lake.scan("drops").select(pl.len()).collect().item()),
    }


class LakeStatus:
    """`lake_status`, at most every `FRESH_S` seconds however often it is asked for."""

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self._settings = settings
        self._lake = lake
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self._last: dict[str, Any] = {}

    async def read(self) -> dict[str, Any]:
        """The status now, or a moment ago."""
        async with self._lock:
            if time.monotonic() - self._read_at > FRESH_S:
                read = in_thread(lambda: lake_status(self._settings, self._lake), name="tailrace-status")
                self._last = await read
                self._read_at = time.monotonic()
            return self._last


def join_numbers(stats: JoinStats) -> dict[str, Any]:
    """The join worker's own counts, since it started."""
    numbers = asdict(stats)
    numbers["watermarks"] = {str(p): us for p, us in sorted(stats.watermarks.items())}
    return numbers


def reaction_numbers(stats: ReactionStats) -> dict[str, Any]:
    """The reactions' own counts, since the worker started."""
    return {k: dict(v) if isinstance(v, Counter) else v for k, v in vars(stats).items()}
