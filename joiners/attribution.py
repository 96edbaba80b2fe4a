"""Which request a signal or an outcome speaks about.

Rows are named by their position in their frame: texts and ids stay where they are until a row is built.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

Positions = npt.NDArray[np.int64]
NOWHERE: Final = -1
"""Position of a request that is not known."""

_KEYS: Final = ("request_id", "session_id", "occurred_at", "partition")


def attribute(requests: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """Evidence with a column `target`: the request it belongs to, null when there is none.

    An explicit `request_id` decides alone (null when that request is not among `requests`); otherwise the
    latest request of the session at or before the event, ties going to the greater request id. Evidence
    with a column `supersedes` inherits the target of the event it amends, through every link of a chain
    that is among `evidence`; where the amended event is unknown or has no target its own words count.
    Event ids must be unique. Needs `request_id, session_id, occurred_at` on both frames; order is kept.
    """
    return evidence.with_columns(target=_gather(requests["request_id"], _all_targets(requests, evidence)))


def attribute_always(requests: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """Pairs of positions (`row` of evidence, `target` request) as `attribute` finds them."""
    return _pairs(_all_targets(requests, evidence))


def attribute_in_windows(requests: pl.DataFrame, evidence: pl.DataFrame, horizon_us: int) -> pl.DataFrame:
    """Pairs of positions (`row` of evidence, `target` request), as far as windows know for certain.

    Only evidence in [t, t + horizon] of its request counts. Partitions are apart: each has a watermark of
    its own, so what another one holds when a request settles depends on the moment. For the same reason an
    amendment goes by nothing but the events of the request's own window that name the request or its
    session: it counts where the first link of its chain in there belongs. A first link that itself amends
    something unseen counts only for the request it names; by time alone it would mostly be counted for the
    wrong one.
    """
    own = _own_targets(requests, evidence, apart=True)
    pairs = _pairs(own)
    if amends(evidence):
        chained = evidence.select(
            pl.col("supersedes").is_not_null()
            | pl.col("event_id").is_in(evidence["supersedes"].drop_nulls().unique().implode())
        ).to_series()
        pairs = pairs.filter(~_gather(chained, pairs["row"].to_numpy()))
        pairs = pl.concat([pairs, _chains(requests, evidence, chained, own, horizon_us)])
    return pairs.filter(_in_window(requests, evidence, horizon_us))


def amends(evidence: pl.DataFrame) -> bool:
    """Whether any of the events replaces another one."""
    return "supersedes" in evidence.columns and evidence["supersedes"].null_count() < evidence.height


def _own_targets(requests: pl.DataFrame, evidence: pl.DataFrame, *, apart: bool = False) -> Positions:
    """Position of the request each event speaks about by its own words."""
    named = evidence["request_id"].is_not_null()
    targets: Positions = np.full(evidence.height, NOWHERE, dtype=np.int64)
    known = requests.select(name for name in _KEYS if name in requests.columns).with_row_index("target")
    events = evidence.select(name for name in _KEYS if name in evidence.columns).with_row_index("row")
    if named.any():
        found = events.filter(named).join(known, on="request_id")
        if apart:
            found = found.filter(pl.col("partition") == pl.col("partition_right"))
        _put(targets, found)
    # A null session never matches, but join_asof pairs nulls with nulls.
    implicit = events.filter(~named).filter(pl.col("session_id").is_not_null())
    if not implicit.is_empty():
        found = implicit.sort("occurred_at").join_asof(
            known.sort("occurred_at", "request_id"),
            on="occurred_at",
            by=["session_id", "partition"] if apart else "session_id",
            strategy="backward",
            check_sortedness=False,
        )
        _put(targets, found.filter(pl.col("target").is_not_null()))
    return targets


def _all_targets(requests: pl.DataFrame, evidence: pl.DataFrame) -> Positions:
    targets = _own_targets(requests, evidence)
    if amends(evidence):
        targets = _inherit(targets, _parents(evidence["event_id"], evidence["supersedes"]))
    return targets


def _pairs(targets: Positions) -> pl.DataFrame:
    rows = np.flatnonzero(targets != NOWHERE)
    return pl.DataFrame({"row": rows, "target": targets[rows]})


def _put(targets: Positions, found: pl.DataFrame) -> None:
    targets[found["row"].to_numpy()] = found["target"].to_numpy()


def _gather(values: pl.Series, positions: Positions) -> pl.Series:
    """Values at the positions, null where there is none."""
    return values.gather(pl.Series(positions).replace(NOWHERE, None))


def _parents(ids: pl.Series, supersedes: pl.Series) -> Positions:
    """Position of the event each one amends; its own where it amends nothing known."""
    events = pl.DataFrame({"id": ids, "parent": np.arange(ids.len())})
    found = pl.DataFrame({"id": supersedes}).join(events, on="id", how="left", maintain_order="left")
    return found["parent"].fill_null(events["parent"]).to_numpy()


def _ends(parents: Positions) -> Positions:
    """Where each chain ends. Amendments that go round in a circle end at themselves."""
    ends = parents
    for _ in range(parents.size.bit_length()):
        further = ends[ends]
        if np.array_equal(further, ends):
            break
        ends = further
    return np.where(parents[ends] == ends, ends, np.arange(parents.size))


def _inherit(own: Positions, parents: Positions) -> Positions:
    """Targets after inheritance: that of the link nearest to the chain's end which has one."""
    everyone = np.arange(parents.size)
    circular = (_ends(parents) == everyone) & (parents != everyone)
    above = np.where(circular, everyone, parents)
    best = own
    # Each round looks twice as far up as the one before.
    for _ in range(parents.size.bit_length()):
        best = np.where(best[above] != NOWHERE, best[above], best)
        further = above[above]
        if np.array_equal(further, above):
            break
        above = further
    return best


def _chains(
    requests: pl.DataFrame, evidence: pl.DataFrame, chained: pl.Series, own: Positions, horizon_us: int
) -> pl.DataFrame:
    """Pairs of amendments, and of what they amend, with the requests whose windows count them."""
    columns = ("event_id", "supersedes", "session_id", "request_id", "partition")
    events = evidence.select(columns).with_row_index("row").filter(chained)
    known = requests.select("session_id", "request_id", "partition").with_row_index("target")
    # Whose window an event could be in: requests of its session, and the one it names.
    pairs = pl.concat(
        events.join(known, on=[key, "partition"]).select("row", "target", "event_id", "supersedes")
        for key in ("session_id", "request_id")
    ).unique(["row", "target"])
    pairs = pairs.filter(_in_window(requests, evidence, horizon_us)).with_columns(
        spot=pl.struct("event_id", "target"), amended=pl.struct(event_id="supersedes", target="target")
    )
    ends = pairs["row"].to_numpy()[_ends(_parents(pairs["spot"], pairs["amended"]))]
    certain = evidence.select(pl.col("supersedes").is_null() | pl.col("request_id").is_not_null()).to_series()
    counts = (own[ends] == pairs["target"].to_numpy()) & certain.to_numpy()[ends]
    return pairs.select(pl.col("row", "target").cast(pl.Int64)).filter(counts)


def _in_window(requests: pl.DataFrame, evidence: pl.DataFrame, horizon_us: int) -> Any:
    """Whether a pair's event lies in [t, t + horizon] of its request."""
    opens = pl.lit(requests["occurred_at"].to_physical()).gather(pl.col("target"))
    at = pl.lit(evidence["occurred_at"].to_physical()).gather(pl.col("row"))
    return (at - opens).is_between(0, horizon_us)
