"""Which request a signal or an outcome speaks about."""

from __future__ import annotations

import polars as pl

from joiners.light import TIME


def attribute(requests: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """Evidence with a column `target`: the request it belongs to, null when there is none.

    An explicit `request_id` decides alone (null when that request is not among `requests`);
    otherwise the latest request of the session at or before the event, ties going to the greater
    request id. Needs `request_id, session_id, occurred_at` on both frames; keeps every row of
    `evidence`, order not preserved.
    """
    explicit = evidence.filter(pl.col("request_id").is_not_null()).join(
        requests.select("request_id", target="request_id"), on="request_id", how="left"
    )
    implicit = evidence.filter(pl.col("request_id").is_null())
    if implicit.is_empty():
        return explicit
    by_time = requests.sort("occurred_at", "request_id").select(
        "session_id", "occurred_at", target="request_id"
    )
    # A null session never matches, but join_asof pairs nulls with nulls: keep them apart.
    homeless = implicit.filter(pl.col("session_id").is_null()).with_columns(
        target=pl.lit(None, dtype=pl.String)
    )
    implicit = (
        implicit.filter(pl.col("session_id").is_not_null())
        .sort("occurred_at")
        .join_asof(by_time, on="occurred_at", by="session_id", strategy="backward", check_sortedness=False)
    )
    return pl.concat([explicit, implicit, homeless])


def next_in_session(requests: pl.DataFrame) -> pl.DataFrame:
    """Requests in session order with the session's next request beside each.

    Adds `next_prompt` (text) and `next_at` (time); both null for the last request of a session.
    """
    same = pl.col("session_id").shift(-1) == pl.col("session_id")
    return requests.sort("session_id", "occurred_at", "request_id").with_columns(
        next_prompt=pl.when(same).then(pl.col("prompt_text").shift(-1)),
        next_at=pl.when(same).then(pl.col("occurred_at").shift(-1)).cast(TIME),
    )
