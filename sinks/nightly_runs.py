"""The log of scheduled builds (`nightly_runs`): who may build a night, and what came of it.

A night is claimed by a commit that carries the transaction (channel and night, attempt): of two workers that
claim the same attempt, on whatever machines, Delta accepts one. No lock service and no leader is needed, and
an attempt that was overtaken finds out at its next heartbeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import polars as pl

from contracts.errors import Overtaken
from contracts.tables import frame_schema
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.transactions import append_once

TABLE: Final = "nightly_runs"

SCHEDULED: Final = "scheduled"
CLAIMED: Final = "claimed"
RUNNING: Final = "running"
PUBLISHED: Final = "published"
UNCHANGED: Final = "unchanged"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """One row of `nightly_runs`."""

    night: datetime
    channel: str
    attempt: int
    state: str
    final: bool
    worker: str
    at: datetime
    drop_id: str | None = None
    detail: str | None = None


def claim(lake: Lake, claimed: Run, dead: Run | None = None) -> bool:
    """Claim an attempt of a night; False when another worker was first. `dead` is the end of the attempt
    that is taken over, written in the same commit. Raises `LakeUnavailable`."""
    rows = [claimed] if dead is None else [dead, claimed]
    return append_once(lake, TABLE, _frame(rows), batch_id=_night(claimed), version=claimed.attempt) > 0


def beat(lake: Lake, run: Run, number: int) -> None:
    """Write the attempt's heartbeat of this number (from 1). Raises `Overtaken` when a later attempt was
    claimed, `LakeUnavailable`."""
    check(lake, run)
    batch_id = f"{_night(run)}/beat"
    append_once(lake, TABLE, _frame([run]), batch_id=batch_id, version=run.attempt << 32 | number)


def check(lake: Lake, run: Run) -> None:
    """Raise `Overtaken` when a later attempt at the run's night was claimed."""
    with translated(lake, TABLE):
        newest = lake.table(TABLE).transaction_version(_night(run)) or 0
    if newest > run.attempt:
        raise Overtaken(f"attempt {run.attempt} was taken over by attempt {newest}")


def end(lake: Lake, run: Run) -> None:
    """Write how an attempt ended, once; the end of an attempt older than one that ended is left out."""
    append_once(lake, TABLE, _frame([run]), batch_id=f"{_night(run)}/end", version=run.attempt + 1)


def begin(lake: Lake, run: Run) -> None:
    """Note, once per channel, that its schedule is in force from now on."""
    append_once(lake, TABLE, _frame([run]), batch_id=f"nightly/{run.channel}/begin")


def read_runs(lake: Lake, channel: str) -> list[Run]:
    """A channel's runs by night and attempt, of each attempt the newest row per state. Empty in lakes of
    releases that kept none."""
    with translated(lake, TABLE):
        if not lake.exists(TABLE):
            return []
        rows = (
            lake.scan(TABLE)
            .filter(pl.col("channel") == channel)
            .sort("night", "attempt", "at", maintain_order=True)
            .unique(["night", "attempt", "state"], keep="last", maintain_order=True)
            .collect()
        )
    return [Run(**row) for row in rows.iter_rows(named=True)]


def _night(run: Run) -> str:
    return f"nightly/{run.channel}/{run.night:%Y-%m-%dT%H:%M}"


def _frame(runs: Sequence[Run]) -> pl.DataFrame:
    return pl.DataFrame([asdict(run) for run in runs], schema=frame_schema(TABLE))
