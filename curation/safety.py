"""The safety slice: which requests are safety-tagged, and what became of them on the way into a drop."""

from __future__ import annotations

from typing import Any

import polars as pl

from contracts.errors import SettingsError
from contracts.settings import CurationSettings


def is_safety(rows: pl.DataFrame, settings: CurationSettings) -> pl.Series:
    """Whether each request is safety-tagged (boolean, never null).

    A request is when users reported the response (`safety_reports`), when it ended in one of
    `safety_finish_classes`, when its feature is one of `safety_features`, or when its `attributes` (JSON
    object) name one of `safety_attributes`, given as `key` or `key=value`. Raises `SettingsError` when
    attributes are asked for and the rows have none.
    """
    tags = [
        pl.col("finish_class").is_in(settings.safety_finish_classes),
        pl.col("feature").is_in(settings.safety_features),
    ]
    if settings.safety_reports:
        tags.append(pl.col("report_count") > 0)
    if settings.safety_attributes:
        if "attributes" not in rows.columns:
            raise SettingsError(
                "curation.safety_attributes is set, but these rows carry no attributes",
                hint="Load candidates with the `attributes` of their requests.",
            )
        tags.extend(map(_has_attribute, settings.safety_attributes))
    held = [tag.fill_null(value=False) for tag in tags]
    return rows.select(safety=pl.any_horizontal(held)).to_series()


def _has_attribute(wanted: str) -> pl.Expr:
    name, separator, value = wanted.partition("=")
    found = pl.col("attributes").str.json_path_match(f"$[{_quoted(name)}]")
    return found == value if separator else found.is_not_null()


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def safety_flow(eligible: pl.DataFrame, final: pl.DataFrame, refused: pl.DataFrame) -> dict[str, Any]:
    """Where the safety-tagged requests of a build went: nothing of the slice is lost without a line here.

    eligible: rows before selection, with `request_id` and `safety`. final: rows of the drop, with `safety`.
    refused: `Funnel.refused()`. Shares are of all rows, 0 to 1; refusals are requests per stage and reason.
    """
    tagged = eligible.filter("safety")["request_id"]
    lost = (
        refused.filter(pl.col("kind") == "interaction")
        .explode("request_ids")
        .filter(pl.col("request_ids").is_in(tagged.implode()))
        .group_by("stage", "reason")
        .agg(pl.col("request_ids").n_unique())
        .sort("stage", "reason")
    )
    kept = int(final["safety"].sum()) if final.height else 0
    return {
        "eligible": tagged.len(),
        "eligible_share": _share(tagged.len(), eligible.height),
        "rows": kept,
        "rows_share": _share(kept, final.height),
        "refused": {f"{stage}.{reason}": count for stage, reason, count in lost.iter_rows()},
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
