"""`settle`: fold late evidence into interactions as new revisions, with the stream's own join.

First the ids of everything are compared: which events each interaction should hold, and which it does.
Only where that differs are texts read and rows joined again, so a lake in which nothing came late costs
a look at its ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from contracts.tables import frame_schema
from curation.scoring import DEFAULT_MODEL, ScoreModel, score
from joiners.attribution import NOWHERE, attribute
from joiners.interactions import JOINED_COLUMNS, first_arrivals, follow_up, joined_rows
from joiners.light import OUTCOME_COLUMNS, SIGNAL_COLUMNS
from joiners.sessions import Sessions
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.light import REQUEST_SOURCE_COLUMNS, light_requests
from sinks.transactions import append_revisions

REQUESTS_PER_STEP: Final = 50_000
"""Requests recomputed at a time: bounds memory by their text."""

EVIDENCE: Final = {"signals": SIGNAL_COLUMNS, "outcomes": OUTCOME_COLUMNS}


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What a settlement did.

    late_events: evidence of settled requests that no interaction held. examined: interactions joined
    again. revised: new revisions written.
    """

    late_events: int
    examined: int
    revised: int


@dataclass(frozen=True, slots=True)
class _Ids:
    """What the lake knows, by ids and times only.

    current: interactions as they are. requests: each once; sessions: their order. evidence: kind → events of
    settled requests, each with its request (`target`).
    """

    current: pl.DataFrame
    requests: pl.DataFrame
    sessions: Sessions
    evidence: dict[str, pl.DataFrame]


def settle(lake: Lake, *, horizon_us: int, now_us: int, model: ScoreModel = DEFAULT_MODEL) -> SettleReport:
    """Join again every interaction that does not hold what it should; append a revision where it changed.

    That is so when evidence or requests came late, an outcome was amended, or an id came again at
    another time. Only requests that already are interactions are revised: the others still wait in the
    stream's windows. Idempotent: a second run finds nothing to change. Safe beside running workers.
    `now_us` is the clock, `horizon_us` the join horizon, both microseconds. Raises `LakeDamaged` when a
    file of the lake cannot be read, `LakeUnavailable` when the lake cannot.
    """
    with translated(lake, "interactions", "requests", *EVIDENCE):
        return _settle(lake, horizon_us, now_us, model)


def _settle(lake: Lake, horizon_us: int, now_us: int, model: ScoreModel) -> SettleReport:
    # Interactions first: whatever they hold is in the tables read after them.
    current = lake.interactions().select(_CURRENT).collect()
    requests, moved = _once(lake, "requests", _REQUEST_IDS)
    sessions = Sessions(requests, horizon_us=horizon_us)
    nexts = pl.Series(sessions.next_in_time()).replace(NOWHERE, None)
    requests = requests.with_columns(
        position=pl.int_range(pl.len()),
        followers=sessions.followers(),
        next_request_id=requests["request_id"].gather(nexts),
    )
    stale = [_other_followers(requests, moved, current), _other_copies(requests, current)]
    evidence, late_events = {}, 0
    for kind in EVIDENCE:
        evidence[kind], missing, changed = _compare(lake, kind, requests, current)
        late_events += missing
        stale.append(changed)
    ids = _Ids(current, requests, sessions, evidence)
    touched = requests.join(pl.concat(stale).unique(), on="request_id", how="semi").sort("occurred_at")
    revised = 0
    for start in range(0, touched.height, REQUESTS_PER_STEP):
        step = touched.slice(start, REQUESTS_PER_STEP)
        before = _rows(lake, "interactions", ids.current.join(step, on="request_id", how="semi"), _REVISION)
        changed = _changed(_join_again(lake, ids, step, horizon_us), before)
        revised += append_revisions(lake, _revisions(changed, before, model, now_us))
    return SettleReport(late_events=late_events, examined=touched.height, revised=revised)


_REVISION: Final = ("request_id", "revision", "partition", "offset")
_CURRENT: Final = (
    *(*_REVISION, "date"),
    *("next_request_id", "follow_up_count", "signal_ids", "outcome_ids"),
)
_REQUEST_IDS: Final = (
    "request_id",
    "session_id",
    "occurred_at",
    "date",
    "partition",
    "offset",
)
_EVENT_IDS: Final = ("event_id", "session_id", "request_id", "occurred_at", "date", "partition", "offset")


def _once(lake: Lake, kind: str, columns: tuple[str, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events of a kind, each once, and the ids of those that came again with another session or time, with
    the session of the repeat.

    The stream may have joined such a repeat: where it had forgotten the first copy, but also one that is
    marked as a duplicate, when it restarted behind the first copy.
    """
    copies = lake.sound(kind).select(*columns, "duplicate").collect()
    key = columns[0]
    events = first_arrivals(copies.filter(~pl.col("duplicate")).drop("duplicate"), key)
    same = [key, "session_id", "occurred_at"]
    return events, copies.join(events, on=same, how="anti", nulls_equal=True).select(
        key, "session_id"
    ).unique()


def _compare(
    lake: Lake, kind: str, requests: pl.DataFrame, current: pl.DataFrame
) -> tuple[pl.DataFrame, int, pl.DataFrame]:
    """Evidence of settled requests, how much of it they do not hold, and the requests that are wrong."""
    columns = (*_EVENT_IDS, "supersedes") if "supersedes" in EVIDENCE[kind] else _EVENT_IDS
    events, moved = _once(lake, kind, columns)
    events = attribute(requests, events).join(current, left_on="target", right_on="request_id", how="semi")
    pairs = events.select("event_id", request_id="target")
    held = current.select("request_id", event_id=pl.col(f"{kind[:-1]}_ids")).explode("event_id").drop_nulls()
    missing = pairs.join(held, on=["event_id", "request_id"], how="anti")
    wrong = held.join(pairs, on=["event_id", "request_id"], how="anti")
    again = pairs.join(moved, on="event_id", how="semi")
    return events, missing.height, pl.concat(f.select("request_id") for f in (missing, wrong, again))


def _other_copies(requests: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Interactions made from another copy of their request than the one that counts."""
    places = ["request_id", "partition", "offset"]
    return current.join(requests, on=places, how="anti").select("request_id")


def _other_followers(requests: pl.DataFrame, moved: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Interactions joined with another next request than theirs, or with another number of follow-ups.

    The stream saw nothing that is not there now, so equal numbers are equal sets; except in sessions that
    hold a repeat at another time (`moved`): there whatever saw any is looked at.
    """
    rows = requests.join(
        current.select("request_id", "follow_up_count", seen_next="next_request_id"), on="request_id"
    )
    # Rows of a version that kept no number are told by their next request alone.
    other_number = (pl.col("follow_up_count") != pl.col("followers")).fill_null(value=False)
    other_next = pl.col("seen_next").ne_missing(pl.col("next_request_id"))
    saw_any = (pl.col("follow_up_count") > 0).fill_null(value=True)
    torn = saw_any & pl.col("session_id").is_in(moved["session_id"].implode())
    return rows.filter(other_number | other_next | torn).select("request_id")


def _join_again(lake: Lake, ids: _Ids, step: pl.DataFrame, horizon_us: int) -> pl.DataFrame:
    """The joined rows of a step's requests, from everything known."""
    followers = ids.requests[ids.sessions.all_followers(step["position"].to_numpy())]
    places = pl.concat([step, followers.join(step, on="request_id", how="anti")])
    read = light_requests(_rows(lake, "requests", places, ("request_id", "partition", "offset")))
    # Erased ones are gone.
    known = places.select("request_id").join(read, on="request_id", maintain_order="left")
    own = known.join(step, on="request_id", how="semi", maintain_order="left")
    rows = follow_up(own, known, horizon_us)
    targets = own.select(target_id="request_id", target=pl.int_range(pl.len()))
    evidence = []
    for kind, columns in EVIDENCE.items():
        mine = ids.evidence[kind].rename({"target": "target_id"}).join(targets, on="target_id")
        found = _rows(lake, kind, mine, ("event_id", "partition", "offset")).select(columns)
        evidence.append(found.join(mine.select("event_id", "target"), on="event_id"))
    return joined_rows(rows, *evidence)


def _rows(lake: Lake, name: str, places: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    """Rows of a table at places (`keys` and `date`); the first of `keys` is the id."""
    columns = REQUEST_SOURCE_COLUMNS if name == "requests" else tuple(frame_schema(name))
    found = (
        lake.scan(name)
        .filter(
            pl.col("date").is_in(places["date"].unique().implode()),
            pl.col(keys[0]).is_in(places[keys[0]].implode()),
        )
        .select(columns)
        .collect()
    )
    return found.join(places, on=list(keys), how="semi").unique(keys[0], keep="first")


def _changed(rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Rows that differ from the current revision in any joined column."""
    before = before.select(JOINED_COLUMNS)
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


def _revisions(rows: pl.DataFrame, before: pl.DataFrame, model: ScoreModel, now_us: int) -> pl.DataFrame:
    numbered = score(rows, model).join(
        before.select("request_id", "late", (pl.col("revision") + 1).alias("revision")), on="request_id"
    )
    return numbered.with_columns(
        settled_at=pl.lit(now_us, dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    ).select(list(frame_schema("interactions")))
