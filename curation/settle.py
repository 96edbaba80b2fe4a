"""`settle`: fold late evidence into interactions as new revisions, with the stream's own join."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from contracts.tables import frame_schema
from curation.scoring import DEFAULT_MODEL, ScoreModel, score
from joiners.attribution import attribute
from joiners.interactions import JOINED_COLUMNS, join
from joiners.light import OUTCOME_COLUMNS, SIGNAL_COLUMNS
from sinks.lake import Lake
from sinks.light import REQUEST_SOURCE_COLUMNS, light_requests
from sinks.transactions import append_revisions

SESSIONS_PER_STEP: Final = 50_000
"""Sessions recomputed at a time: bounds memory by their text."""


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What a settlement did. `examined`: interactions recomputed; `revised`: new revisions written."""

    late_events: int
    examined: int
    revised: int


def settle(lake: Lake, *, horizon_us: int, now_us: int, model: ScoreModel = DEFAULT_MODEL) -> SettleReport:
    """Recompute the interactions that late events touch; append a revision where one changed.

    Affected are sessions in which evidence has not been joined yet, an outcome was amended, or a
    request came late. Only requests that already are interactions are revised: the others still
    wait in the stream's windows. Idempotent: a second run finds nothing to change. `now_us` is the
    clock, `horizon_us` the join horizon, both microseconds.
    """
    current = lake.interactions().collect()
    index = lake.requests().select("request_id", "session_id", "occurred_at").collect()
    loose = _loose_evidence(lake, current)
    targets = attribute(index, loose).filter(pl.col("target").is_not_null())
    touched = pl.concat(
        [
            targets.select(request_id="target"),
            current.filter(pl.col("late")).select("request_id"),
        ]
    ).unique()
    sessions = index.join(touched, on="request_id", how="semi").select("session_id").unique()
    sessions = sessions.sort("session_id")
    examined = revised = 0
    for start in range(0, sessions.height, SESSIONS_PER_STEP):
        step = sessions.slice(start, SESSIONS_PER_STEP)
        rows = _recompute(lake, index, current, step, horizon_us)
        examined += rows.height
        changed = _changed(rows, current)
        revised += append_revisions(lake, _revisions(changed, current, model, now_us))
    return SettleReport(late_events=targets.height, examined=examined, revised=revised)


def _loose_evidence(lake: Lake, current: pl.DataFrame) -> pl.DataFrame:
    """Signals and outcomes that no current interaction holds."""
    frames = []
    for kind in ("signals", "outcomes"):
        held = current.select(event_id=pl.col(f"{kind[:-1]}_ids").explode()).drop_nulls()
        events = lake.events(kind).select("event_id", "session_id", "request_id", "occurred_at").collect()
        frames.append(events.join(held, on="event_id", how="anti"))
    return pl.concat(frames)


def _recompute(
    lake: Lake, index: pl.DataFrame, current: pl.DataFrame, sessions: pl.DataFrame, horizon_us: int
) -> pl.DataFrame:
    """Join everything known of the sessions, for requests that already are interactions."""
    ids = index.join(sessions, on="session_id", how="semi").select("request_id")
    requests = light_requests(
        lake.requests()
        .select(REQUEST_SOURCE_COLUMNS)
        .join(sessions.lazy(), on="session_id", how="semi")
        .collect()
    )
    own = pl.col("session_id").is_in(sessions["session_id"].implode())
    named = pl.col("request_id").is_in(ids["request_id"].implode())
    mine = own.fill_null(value=False) | named.fill_null(value=False)
    settled = requests.join(current.select("request_id"), on="request_id", how="semi")
    return join(
        settled,
        lake.signals().select(SIGNAL_COLUMNS).filter(mine).collect(),
        lake.outcomes().select(OUTCOME_COLUMNS).filter(mine).collect(),
        horizon_us=horizon_us,
        late_evidence=True,
        context=requests.join(settled.select("request_id"), on="request_id", how="anti"),
    )


def _changed(rows: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Rows that differ from the current revision in any joined column."""
    before = current.select(JOINED_COLUMNS)
    # Lists cannot be join keys; as text they compare the same.
    comparable = [
        pl.col(c).list.join("\x1f") if dtype == pl.List(pl.String) else pl.col(c)
        for c, dtype in before.schema.items()
    ]
    same = (
        rows.select(comparable)
        .join(before.select(comparable), on=list(JOINED_COLUMNS), how="semi", nulls_equal=True)
        .select("request_id")
    )
    return rows.join(same, on="request_id", how="anti")


def _revisions(rows: pl.DataFrame, current: pl.DataFrame, model: ScoreModel, now_us: int) -> pl.DataFrame:
    numbered = score(rows, model).join(
        current.select("request_id", "late", (pl.col("revision") + 1).alias("revision")),
        on="request_id",
        how="left",
    )
    return numbered.with_columns(
        settled_at=pl.lit(now_us, dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    ).select(list(frame_schema("interactions")))
