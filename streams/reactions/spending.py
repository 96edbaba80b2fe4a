"""What the online judges of a lake have spent within the last hour, read back from their verdicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from contracts.validation import SECOND
from curation.judge.verdicts import Spend
from sinks.lake import Lake
from streams.reactions.budget import HOUR_S, Booked

_STEP: Final = "10s"


def spent_online(lake: Lake, now_us: int) -> list[Booked]:
    """The spending of all online judges in the hour before `now_us` (UTC microseconds), oldest first.

    In steps of ten seconds, each as old as its youngest verdict. Rows without a number of calls count one.
    """
    now = datetime.fromtimestamp(now_us / SECOND, UTC)
    since = now - timedelta(seconds=HOUR_S)
    steps = (
        lake.scan("judgments")
        .filter(
            pl.col("date").is_between(since.date(), now.date()),
            pl.col("judged_at") > since,
            pl.col("origin") == "online",
        )
        .group_by(step=pl.col("judged_at").dt.truncate(_STEP))
        .agg(
            pl.col("judged_at").max(),
            pl.col("calls").fill_null(1).cast(pl.Int64).sum(),
            pl.col("input_tokens", "output_tokens", "cost_usd").sum(),
        )
        .sort("step")
        .collect()
    )
    return [
        (
            max((now - row["judged_at"]).total_seconds(), 0.0),
            Spend(
                calls=row["calls"],
                input_tokens=row["input_tokens"],
                output_tokens=row["output_tokens"],
                cost_usd=row["cost_usd"],
            ),
        )
        for row in steps.iter_rows(named=True)
    ]
