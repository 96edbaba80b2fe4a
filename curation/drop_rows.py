"""Rows of the lake's curated tables for one drop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import polars as pl

from contracts.chat import function_tools
from contracts.settings import CurationSettings
from contracts.tables import frame_schema
from curation.group_split import with_split

TRANSFORMS: Final = ("normalize@1", "chat_turns@2")
"""What is done to the text of every row, in order, with versions; redaction comes after."""


def finished(rows: pl.DataFrame, settings: CurationSettings) -> pl.DataFrame:
    """The final rows of a build as they are published.

    Adds `split`; brings `tools` to the one form trainers read (null where no functions were offered); adds
    `margin`, null, where no pair was compared.
    """
    tools = rows["tools"].map_elements(function_tools, return_dtype=pl.String)
    margin = pl.col("margin") if "margin" in rows.columns else pl.lit(None, dtype=pl.Float64)
    return with_split(rows, settings).with_columns(tools, margin=margin)


def table_rows(
    rows: pl.DataFrame, refused: pl.DataFrame, drop_id: str, identity: Mapping[str, Any], as_of: datetime
) -> dict[str, pl.DataFrame]:
    """Rows for `examples`, `preferences`, `quarantine` and `lineage`, by table name."""
    moment = pl.lit(as_of).dt.cast_time_unit("us")
    rows = rows.with_columns(drop_id=pl.lit(drop_id))
    examples = rows.with_columns(
        consent_scope=pl.lit(identity["config"]["purpose"]),
        consent_policy_version=pl.col("consent_policy"),
        consent_as_of=moment,
        transforms=pl.lit(list(identity["transforms"])),
    )
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
