"""Gold in the lake: the labels of people that are in force, and who said what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import polars as pl

from curation.judge.epoch import stable_hash
from curation.judge.labels import ADJUDICATION, Decision, Label
from curation.judge.verdicts import FailureKind, VerdictWord
from sinks.lake import Lake

UNVERSIONED: Final = "unversioned"
"""Guideline of labels that name none."""


@dataclass(frozen=True, kw_only=True)
class GoldLabel:
    """The label in force of one request."""

    request_id: str
    label: Decision
    failure_kind: FailureKind | None
    source: str
    guideline_version: str
    annotation_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gold:
    """Labels in force by request."""

    labels: Mapping[str, GoldLabel]

    def identity(self) -> dict[str, Any]:
        """What of it decides rows, for the identity of a drop: how many, and a hash of all."""
        parts = [
            [g.request_id, g.label, g.failure_kind, g.guideline_version]
            for g in sorted(self.labels.values(), key=lambda g: g.request_id)
        ]
        return {"labels": len(parts), "hash": stable_hash(parts)}


def newest_gold(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The row in force of each request from all of `gold_labels`; withdrawn ones are none."""
    return (
        rows.sort("labelled_at", "snapshot", "label", maintain_order=True)
        .unique("request_id", keep="last", maintain_order=True)
        .filter(~pl.col("withdrawn").fill_null(value=False))
    )


def gold_in_force(lake: Lake, *, version: int | None = None) -> Gold:
    """The labels in force, optionally as of a Delta version of `gold_labels`; none in a lake without it."""
    if not lake.exists("gold_labels"):
        return Gold({})
    rows = newest_gold(lake.scan("gold_labels", version=version)).sort("request_id").collect()
    return Gold(
        {
            row["request_id"]: GoldLabel(
                request_id=row["request_id"],
                label=row["label"],
                failure_kind=_kind(row["failure_kind"]),
                source=row["source"],
                guideline_version=row["guideline_version"],
                annotation_ids=tuple(row["annotation_ids"]),
            )
            for row in rows.iter_rows(named=True)
        }
    )


def current_annotations(lake: Lake, requests: Sequence[str] | None = None) -> pl.DataFrame:
    """The label in force of each annotator and request (columns of `annotations`), ordered by both.

    Superseded ones are history. ``requests``: only theirs.
    """
    if not lake.exists("annotations"):
        return pl.DataFrame()
    rows = lake.scan("annotations")
    if requests is not None:
        rows = rows.filter(pl.col("request_id").is_in(list(requests)))
    found = rows.collect()
    gone = found["supersedes"].drop_nulls()
    return (
        found.filter(~pl.col("annotation_id").is_in(gone.implode()))
        .sort("labelled_at", "annotation_id")
        .unique(["request_id", "annotator"], keep="last", maintain_order=True)
        .sort("request_id", "annotator")
    )


def annotation_labels(annotations: pl.DataFrame, adjudicated: frozenset[str] = frozenset()) -> list[Label]:
    """Annotations as labels; ``adjudicated``: ids of those that had the last word."""
    return [
        Label(
            item=row["request_id"],
            rater=row["annotator"],
            label=cast("VerdictWord", row["label"]),
            failure_kind=_kind(row["failure_kind"]),
            adjudicated=row["annotation_id"] in adjudicated,
        )
        for row in annotations.iter_rows(named=True)
    ]


def adjudicated_ids(gold: Gold) -> frozenset[str]:
    """Annotations behind adjudicated gold labels."""
    return frozenset(
        name for each in gold.labels.values() if each.source == ADJUDICATION for name in each.annotation_ids
    )


def _kind(value: str | None) -> FailureKind | None:
    known = {str(kind) for kind in FailureKind}
    return FailureKind(value) if value in known else None
