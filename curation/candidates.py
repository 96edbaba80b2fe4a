"""Candidates: current interactions with the terms they were made under, without their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from joiners.interactions import first_arrivals
from sinks.lake import Lake

INPUT_TABLES: Final = ("requests", "signals", "outcomes", "consents", "interactions")
"""Tables a drop is a function of; their Delta versions are pinned in its manifest."""

REQUEST_TERMS: Final = ("consent_scopes", "consent_policy_version", "license", "base_model")


def pin_inputs(lake: Lake) -> dict[str, int]:
    """Newest Delta version of every input table."""
    return {name: lake.content_version(name) for name in INPUT_TABLES}


def latest_event(lake: Lake, versions: Mapping[str, int], until: datetime | None = None) -> datetime | None:
    """Time of the newest event the inputs hold, or held by `until`: the as-of time of a drop that names
    none."""
    newest = [
        _newest(lake, "interactions", "evidence_until", versions, until),
        _newest(lake, "consents", "occurred_at", versions, until),
    ]
    return max((moment for moment in newest if moment is not None), default=None)


def _newest(
    lake: Lake, name: str, column: str, versions: Mapping[str, int], until: datetime | None
) -> datetime | None:
    rows = lake.scan(name, version=versions[name])
    if until is not None:
        rows = rows.filter(pl.col(column) <= until)
    moment: datetime | None = rows.select(pl.col(column).max()).collect().item()
    return moment


def load_candidates(
    lake: Lake, versions: Mapping[str, int], as_of: datetime, more: Sequence[str] = ()
) -> pl.DataFrame:
    """Interactions as of a time with the terms of their requests, ordered by request id.

    Texts stay in the lake (`curation.buckets` fetches those that are wanted): `has_text` says whether
    there are any. `more` names further columns of `requests`. `partition` and `offset` are those of the copy
    of the request that counts.
    """
    interactions = lake.interactions(as_of=as_of, version=versions["interactions"]).collect()
    copies = (
        lake.sound("requests", version=versions["requests"])
        .filter(~pl.col("duplicate"))
        .select(
            "request_id",
            "partition",
            "offset",
            *REQUEST_TERMS,
            *more,
            has_text=has_text(),
        )
        .collect(engine="streaming")
    )
    return (
        interactions.drop("partition", "offset")
        .join(first_arrivals(copies, "request_id"), on="request_id", how="inner")
        .sort("request_id")
    )


def has_text() -> pl.Expr:
    """Whether a request came with what was asked and what was answered; else it is metadata only."""
    return pl.col("input_messages").is_not_null() & pl.col("output_messages").is_not_null()


def load_edits(
    lake: Lake, versions: Mapping[str, int], as_of: datetime, actors: Sequence[str] = ("user",)
) -> pl.DataFrame:
    """Edit signals with text as of a time, by actors who may be learned from: event_id, occurred_at, text."""
    return (
        lake.signals(version=versions["signals"])
        .filter(
            pl.col("kind") == "edit",
            pl.col("text").is_not_null(),
            pl.col("actor").is_in(list(actors)),
            pl.col("occurred_at") <= as_of,
        )
        .select("event_id", "occurred_at", "text")
        .collect()
    )


def last_edits(rows: pl.DataFrame, edits: pl.DataFrame) -> pl.DataFrame:
    """The last edit of each request: request_id, edit_id, edit_text. `edits` as `load_edits` returns them."""
    return (
        rows.select("request_id", event_id="signal_ids")
        .explode("event_id")
        .join(edits, on="event_id", how="inner")
        .sort("occurred_at", "event_id")
        .unique("request_id", keep="last", maintain_order=True)
        .select("request_id", edit_id="event_id", edit_text="text")
    )


def load_consents(lake: Lake, versions: Mapping[str, int], as_of: datetime) -> pl.DataFrame:
    """Consent changes as of a time."""
    return (
        lake.consents(version=versions["consents"])
        .filter(pl.col("occurred_at") <= as_of)
        .select("user_key", "scope", "granted", "policy_version", "occurred_at")
        .collect()
    )
