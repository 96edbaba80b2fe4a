"""What the rows of a drop come to: counts and distributions, never a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

BINS: Final = 20
"""Bins of the distributions over 0 to 1."""

COUNTED: Final = (
    *("kind", "pair_source", "source_type", "slice", "feature", "model", "license", "verdict_source"),
    *("guideline_version", "consent_policy_version", "split"),
)

SYNTHETIC: Final = "synthetic"


@dataclass(frozen=True)
class Summary:
    """Counts of a drop's examples.

    counts: column → value → rows, most frequent first; rows without a value are counted under "".
    unpaired: label → rows. distributions: column → rows in each of `BINS` bins over 0 to 1; columns of which
    no row has a value are not there. first, last: when the earliest and latest (failing) request was made.
    """

    examples: int
    counts: Mapping[str, Mapping[str, int]]
    unpaired: Mapping[bool, int]
    distributions: Mapping[str, Sequence[int]]
    safety: int
    self_approved: int
    first: str = ""
    last: str = ""

    @property
    def synthetic_share(self) -> float:
        """Share of examples that hold text a judge wrote; 0 without examples."""
        return self.counts["source_type"].get(SYNTHETIC, 0) / self.examples if self.examples else 0.0

    @property
    def licences(self) -> list[str]:
        """Licences that rows name, most frequent first; "" when some name none."""
        return list(self.counts["license"])


def summarise(rows: pl.DataFrame) -> Summary:
    """Count the rows of a drop, those `sinks.drops.formats.write_files` takes.

    A provenance column that is not there counts as one without values: drops of older releases have fewer.
    """
    unpaired = rows["label"].filter(rows["kind"] == "unpaired")
    good = int(unpaired.sum())
    moments = _column(rows, "occurred_at", pl.Datetime("us", "UTC")).drop_nulls()
    return Summary(
        examples=rows.height,
        counts={name: _counts(_column(rows, name, pl.String())) for name in COUNTED},
        unpaired={True: good, False: unpaired.len() - good},
        distributions={
            name: bins
            for name in ("failure_score", "novelty")
            if (bins := _bins(_column(rows, name, pl.Float64())))
        },
        safety=int(_column(rows, "safety", pl.Boolean()).sum()),
        self_approved=int(_column(rows, "self_approved", pl.Boolean()).sum()),
        first=_moment(moments.min()),
        last=_moment(moments.max()),
    )


def _column(rows: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    return rows[name].cast(dtype) if name in rows.columns else pl.Series(name, [None] * rows.height, dtype)


def _counts(values: pl.Series) -> dict[str, int]:
    counted = values.alias("value").value_counts(name="rows")
    named = counted.group_by(pl.col("value").fill_null("")).agg(pl.col("rows").sum())
    return dict(named.sort(["rows", "value"], descending=[True, False]).iter_rows())


def _bins(values: pl.Series) -> list[int]:
    known = values.drop_nulls()
    if known.is_empty():
        return []
    number = (known * BINS).floor().cast(pl.Int64).clip(0, BINS - 1).alias("bin")
    found = dict(number.value_counts(name="rows").iter_rows())
    return [int(found.get(n, 0)) for n in range(BINS)]


def _moment(value: object) -> str:
    # Whole seconds suffice, and are the same whichever unit the column has.
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if value is not None else ""
