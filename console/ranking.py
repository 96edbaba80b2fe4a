"""How well the score ranks known failures."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sinks.lake import Lake


def roc_auc(scores: pl.Series, positives: pl.Series) -> float | None:
    """Area under the ROC curve; None when only one class is there.

    The Mann-Whitney U statistic over the product of the class sizes, ties counted half.
    """
    n_positive = int(positives.sum())
    n_negative = positives.len() - n_positive
    if not n_positive or not n_negative:
        return None
    ranks = float(scores.rank("average").filter(positives).sum())
    u = ranks - n_positive * (n_positive + 1) / 2
    return u / (n_positive * n_negative)


def latent_auc(lake: Lake, truth: Path) -> float | None:
    """AUC of the current scores against the simulator's latent truth (JSONL: request_id, bad)."""
    labels = pl.read_ndjson(truth).select("request_id", "bad")
    rows = lake.interactions().select("request_id", "failure_score").collect()
    known = rows.join(labels, on="request_id", how="inner")
    return roc_auc(known["failure_score"], known["bad"])
