"""Requests of the lake as a judge or a person sees them: current evidence, texts without personal data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from contracts.settings import PrivacySettings
from contracts.tables import frame_schema
from curation.redaction.step import make_redactor, redact
from joiners.interactions import first_arrivals
from sinks.lake import Lake

_TEXTS: Final = {"input_messages": pl.String(), "output_messages": pl.String(), "tools": pl.String()}


def judgeable(lake: Lake, request_ids: Sequence[str], privacy: PrivacySettings) -> pl.DataFrame:
    """Current interactions of some requests with their texts, ordered by id, as `confirm.judge_items` takes.

    Requests the lake does not hold, or holds without text, are left out. Texts are redacted as a build does
    it. Placeholders are numbered within the requests given: where other requests of the session hold
    personal data too, a build may number them otherwise, and its verdicts are then cached apart.
    """
    ids = list(dict.fromkeys(request_ids))
    if not ids or not lake.exists("interactions"):
        return pl.DataFrame(schema={**frame_schema("interactions"), **_TEXTS})
    wanted = pl.col("request_id").is_in(ids)
    rows = lake.interactions().filter(wanted).collect()
    copies = (
        lake.sound("requests")
        .filter(pl.col("date").is_in(rows["date"].unique().implode()), wanted, ~pl.col("duplicate"))
        .select("request_id", "partition", "offset", *_TEXTS)
        .collect()
    )
    texts = first_arrivals(copies, "request_id").drop("partition", "offset")
    texts = texts.drop_nulls(["input_messages", "output_messages"])
    rows = rows.join(texts, on="request_id", how="inner")
    redactor = make_redactor(privacy)
    if redactor is not None and rows.height:
        rows = redact(rows, redactor).rows
    return rows.sort("request_id")
