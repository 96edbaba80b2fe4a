"""What changed between two drops: rows, labels, shares, settings. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

COMPARED: Final = (
    "kind",
    "pair_source",
    "source_type",
    "slice",
    "feature",
    "model",
    "base_model",
    "fingerprint",
    "license",
    "judge_epoch",
    "consent_policy_version",
    "safety",
    "label",
)
"""Columns of `examples` whose distribution is compared."""

SETTINGS: Final = (
    "as_of",
    "channel",
    "code_version",
    "config",
    "judge",
    "score_version",
    "transforms",
    "evals",
    "releases",
    "earlier_drops",
    "inputs",
)
"""Parts of a manifest that decide rows."""

NEEDED: Final = ("example_id", "request_ids", *COMPARED)
"""Columns of `examples` that a comparison reads."""

LEAST: Final = 1e-4
"""Share that stands for none in the stability index, which has no value for an empty class."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """One value of a column: rows and share of all rows, before and after."""

    value: str
    before: int
    after: int
    share_before: float
    share_after: float


@dataclass(frozen=True, kw_only=True)
class Shift:
    """How a column's distribution moved.

    `distance`: total variation, 0 (alike) to 1 (disjoint): half the sum of the differences of shares. `psi`:
    population stability index, sum of (after - before) · ln(after / before); by convention of credit scoring
    below 0.1 is stable and above 0.25 a shift. `shares` are ordered by how far they moved.
    """

    column: str
    distance: float
    psi: float
    shares: list[Share]


@dataclass(frozen=True, kw_only=True)
class Relabelled:
    """A request whose rows say something else now; `before` and `after` describe the rows, without text."""

    request_id: str
    before: list[str]
    after: list[str]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A setting that changed, by its dotted name; null where it was not there."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True)
class DropDiff:
    """What changed from drop `before` to drop `after`.

    `added` and `removed` are example ids; `kept` counts the rows with the same content in both. A row whose
    request was in the other drop with another label, kind or side is in `relabelled` too.
    """

    before: str
    after: str
    rows_before: int
    rows_after: int
    kept: int
    added: list[str]
    removed: list[str]
    relabelled: list[Relabelled]
    shifts: list[Shift]
    settings: list[Change]


def diff(
    before: pl.DataFrame,
    after: pl.DataFrame,
    manifest_before: Mapping[str, Any],
    manifest_after: Mapping[str, Any],
) -> DropDiff:
    """Compare two drops by their rows of `examples` (columns `NEEDED`) and their manifests."""
    gone, come = _only_in(before, after), _only_in(after, before)
    return DropDiff(
        before=str(manifest_before["drop_id"]),
        after=str(manifest_after["drop_id"]),
        rows_before=before.height,
        rows_after=after.height,
        kept=before["example_id"].n_unique() - gone["example_id"].n_unique(),
        added=come["example_id"].unique().sort().to_list(),
        removed=gone["example_id"].unique().sort().to_list(),
        relabelled=relabelled(gone, come),
        shifts=[shift(column, before[column], after[column]) for column in COMPARED],
        settings=changes(_deciding(manifest_before), _deciding(manifest_after)),
    )


def _only_in(rows: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Rows whose content the other drop does not have."""
    return rows.join(other.select("example_id"), on="example_id", how="anti")


def relabelled(gone: pl.DataFrame, come: pl.DataFrame) -> list[Relabelled]:
    """Requests with a row that only the drop before has and one that only the drop after has."""
    old, new = _by_request(gone), _by_request(come)
    both = old.join(new, on="request_id", how="inner", suffix="_after").sort("request_id")
    return [
        Relabelled(request_id=request, before=was, after=now)
        for request, was, now in both.iter_rows()
        if was != now
    ]


def _by_request(rows: pl.DataFrame) -> pl.DataFrame:
    """What the rows of each (failing) request say, in words of our own."""
    label = pl.when("label").then(pl.lit(" good")).when(~pl.col("label")).then(pl.lit(" bad"))
    return (
        rows.select(
            request_id=pl.col("request_ids").list.first(),
            says=pl.format("{}{} by {}", "kind", label.otherwise(pl.lit("")), "pair_source"),
        )
        .group_by("request_id")
        .agg(pl.col("says").sort())
    )


def shift(column: str, before: pl.Series, after: pl.Series) -> Shift:
    """How a column's distribution moved; null is a value of its own (`–`)."""
    counts = [_counts(before), _counts(after)]
    totals = [max(sum(c.values()), 1) for c in counts]
    values = sorted(set(counts[0]) | set(counts[1]))
    shares = [
        Share(
            value=value,
            before=counts[0].get(value, 0),
            after=counts[1].get(value, 0),
            share_before=round(counts[0].get(value, 0) / totals[0], 6),
            share_after=round(counts[1].get(value, 0) / totals[1], 6),
        )
        for value in values
    ]
    pairs = [(s.share_before, s.share_after) for s in shares]
    if not counts[0] or not counts[1]:
        # Nothing can be said of the distribution of no rows.
        pairs = []
    return Shift(
        column=column,
        distance=round(sum(abs(b - a) for b, a in pairs) / 2, 6),
        psi=round(_psi(pairs), 6),
        shares=sorted(shares, key=lambda s: (-abs(s.share_after - s.share_before), s.value)),
    )


def _counts(values: pl.Series) -> dict[str, int]:
    texts = values.cast(pl.String).fill_null("–")
    return dict(texts.value_counts().iter_rows())


def _psi(pairs: Sequence[tuple[float, float]]) -> float:
    floored = [(max(b, LEAST), max(a, LEAST)) for b, a in pairs]
    return sum((a - b) * math.log(a / b) for b, a in floored)


def _deciding(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: manifest[name] for name in SETTINGS if name in manifest}


def changes(before: Any, after: Any, name: str = "") -> list[Change]:
    """Every leaf that differs between two JSON-like values, in order of name."""
    if before == after:
        return []
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found = []
        for key in sorted({*before, *after}):
            dotted = f"{name}.{key}" if name else str(key)
            found += changes(before.get(key), after.get(key), dotted)
        return found
    return [Change(name=name, before=before, after=after)]
