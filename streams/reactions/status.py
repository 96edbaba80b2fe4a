"""What /status and /health say."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import asdict
from typing import Any, Final

from contracts.settings import Settings
from sinks.lake import Lake
from streams.join_pipeline import JoinStats
from streams.reactions.stats import ReactionStats
from streams.reactions.threads import in_thread
from streams.status import read_status

FRESH_S: Final = 2.0


class LakeStatus:
    """The status of the lake, at most every `FRESH_S` seconds however often it is asked for."""

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
                status = await in_thread(
                    lambda: read_status(self._settings, self._lake), name="tailrace-status"
                )
                self._last = status.as_dict()
                self._read_at = time.monotonic()
            return self._last


def join_numbers(stats: JoinStats) -> dict[str, Any]:
    """The join worker's own counts, since it started."""
    numbers = asdict(stats)
    # Of the last five minutes; None while nothing was read.
    share = stats.recent_dead_letters / stats.recent_consumed if stats.recent_consumed else None
    numbers["dead_letter_share"] = share
    numbers["watermarks"] = {str(p): us for p, us in sorted(stats.watermarks.items())}
    return numbers


def reaction_numbers(stats: ReactionStats) -> dict[str, Any]:
    """The reactions' own counts, since the worker started."""
    numbers = {k: dict(v) if isinstance(v, Counter) else v for k, v in vars(stats).items()}
    return numbers | {
        "judge_budget_left": stats.judge_budget_left(),
        "alerts": stats.alerts.as_dict(),
        "letters": stats.letters.as_dict(time.time()),
    }
