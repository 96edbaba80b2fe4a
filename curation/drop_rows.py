"""Rows of the lake's curated tables for one drop."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from contracts.chat import function_tools
from contracts.settings import Settings
from contracts.tables import frame_schema
from curation.group_split import with_split
from curation.redaction.step import make_redactor

TRANSFORMS: Final = ("normalize@1", "chat_turns@4")
"""What is done to the text of every row whatever the settings; redaction comes after."""


def transforms_of(settings: Settings) -> list[str]:
    """What is done to the text of every row under these settings, in order, with versions."""
    redactor = make_redactor(settings.privacy)
    return [*TRANSFORMS, *([redactor.transform] if redactor else [])]


def finished(rows: pl.DataFrame, settings: Settings, as_of: datetime) -> pl.DataFrame:
    """The final rows of a build as they are published, in files and in tables.

    Adds `split`, and what consent each row needed, under which policy and as of when, and what was done to
    its text; brings `tools` to the one form trainers read (null where no functions were offered); adds
    `margin`, null, where no pair was compared.
    """
    tools = rows["tools"].map_elements(function_tools, return_dtype=pl.String)
    margin = pl.col("margin") if "margin" in rows.columns else pl.lit(None, dtype=pl.Float64)
    return with_split(rows, settings.curation).with_columns(
        tools,
        margin=margin,
        consent_scope=pl.lit(settings.curation.purpose),
        consent_policy_version=pl.col("consent_policy"),
        consent_as_of=_moment(as_of),
        transforms=pl.lit(transforms_of(settings)),
    )


def _moment(as_of: datetime) -> pl.Expr:
    return pl.lit(as_of).dt.cast_time_unit("us")


def table_rows(
    rows: pl.DataFrame, refused: pl.DataFrame, drop_id: str, as_of: datetime
) -> dict[str, pl.DataFrame]:
    """Rows for `examples`, `preferences`, `quarantine` and `lineage`, by table name."""
    moment = _moment(as_of)
    examples = rows = rows.with_columns(drop_id=pl.lit(drop_id))
    preferences = rows.filter(pl.col("kind") == "preference")
    edges = rows.select(
        source_kind=pl.lit("request"),
        source_id=pl.col("request_ids"),
        target_kind=pl.lit("example"),
        target_id=pl.col("example_id"),
    ).explode("source_id")
    into_drop = rows.select(
        source_kind=pl.lit("example"),
        source_id=pl.col("example_id"),
        target_kind=pl.lit("drop"),
        target_id=pl.lit(drop_id),
    )
    lineage = pl.concat([edges, into_drop]).with_columns(drop_id=pl.lit(drop_id), recorded_at=moment)
    quarantine = refused.with_columns(drop_id=pl.lit(drop_id), refused_at=moment)
    frames = {
        "examples": examples,
        "preferences": preferences,
        "quarantine": quarantine,
        "lineage": lineage,
    }
    return {name: frame.select(list(frame_schema(name))) for name, frame in frames.items()}
