"""What a report is made from: plain frames, counts and sample pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from sinks.drops.documents.funnel import FunnelStep


@dataclass(frozen=True)
class SamplePair:
    """A preference pair with the evidence that made it.

    `prompt` is a list of ``{"role", "content"}``; `contributions` are (signal, log-odds) in the order
    the score lists them.
    """

    prompt: list[dict[str, str]]
    chosen: str
    rejected: str
    pair_source: str
    feature: str
    failure_score: float
    contributions: list[tuple[str, float]]
    request_ids: list[str]
    verdict: str | None = None


@dataclass(frozen=True)
class ReportData:
    """Everything `render` needs.

    `interactions` is the current view (columns of `contracts.tables.silver.Interactions`);
    `accounting` counts events (consumed, joined, pending, duplicate, late, orphan, dead_letter);
    `ranking_auc` is the ROC AUC of the score against a known truth, None when there is none;
    `failure_threshold` is the score from which a request counts as a failure.
    """

    title: str
    generated_for: str
    interactions: pl.DataFrame
    accounting: Mapping[str, int] = field(default_factory=dict)
    funnel: Sequence[FunnelStep] = ()
    pairs: Sequence[SamplePair] = ()
    manifest: Mapping[str, Any] | None = None
    ranking_auc: float | None = None
    dead_letter_reasons: Mapping[str, int] = field(default_factory=dict)
    failure_threshold: float = 0.5
