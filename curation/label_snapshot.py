"""The labels of people a drop was built with, locked by a hash in its manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from curation.judge.gold import Gold, GoldLabel
from sinks.drops.manifest import stable_hash


def labels_manifest(gold: Gold, judged: Collection[str]) -> dict[str, Any]:
    """The manifest's `labels`: the labels in force (table `gold_labels`), and those that decided requests.

    `decided`: labels of requests that came before the judge; they are the verdict, whatever a judge said.
    Each `sha256` is over `label_rows`, so that anybody who has the rows can check them.
    """
    wanted = set(judged)
    decided = [label for request, label in gold.labels.items() if request in wanted]
    return {"in_force": _locked(gold.labels.values()), "decided": _locked(decided)}


def labels_sha256(gold: Gold) -> str:
    """The hash of the labels in force."""
    return str(_locked(gold.labels.values())["sha256"])


def label_rows(labels: Iterable[GoldLabel]) -> list[list[Any]]:
    """Labels as they are hashed, ordered by request: request, label, kind of failure, source, guideline,
    annotations behind it."""
    return [
        [
            each.request_id,
            each.label,
            None if each.failure_kind is None else str(each.failure_kind),
            each.source,
            each.guideline_version,
            list(each.annotation_ids),
        ]
        for each in sorted(labels, key=lambda each: each.request_id)
    ]


def _locked(labels: Collection[GoldLabel]) -> dict[str, Any]:
    return {"count": len(labels), "sha256": stable_hash(label_rows(labels))}
