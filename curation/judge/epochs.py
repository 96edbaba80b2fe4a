"""The registry of judge epochs: which were used here, and what changed from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import polars as pl

from contracts.tables import frame_schema
from curation.judge.epoch import JudgeEpoch
from sinks.lake import Lake
from sinks.transactions import append_new

DECIDING: Final = (
    *("kind", "provider", "base_url", "model", "rubric", "rubric_hash", "prompt_hash", "schema_hash"),
    "parameters",
)
"""What an epoch consists of, as columns of `judge_epochs`."""

_NAMES: Final = {
    "base_url": "endpoint",
    "rubric_hash": "text of the rubric",
    "prompt_hash": "prompt",
    "schema_hash": "answer schema",
}
_HASHES: Final = ("rubric_hash", "prompt_hash", "schema_hash")


@dataclass(frozen=True, kw_only=True)
class EpochChange:
    """A new epoch, and how it differs from the most similar one used before it for the same task.

    ``differences``: column → (before, now). ``cached``: verdicts of the earlier epoch, none of which apply.
    """

    epoch: str
    judge: str
    previous: str
    differences: Mapping[str, tuple[str, str]]
    cached: int

    @property
    def words(self) -> str:
        """One line for people."""
        told = []
        differences = self.differences
        if "kind" in differences:
            # Two kinds of judge differ in everything: the list would say no more.
            differences = {"kind": differences["kind"]}
        for name, (before, now) in differences.items():
            if name in _HASHES:
                told.append(f"{_NAMES[name]} changed")
            else:
                told.append(f"{_NAMES.get(name, name)} {before or 'none'} → {now or 'none'}")
        return (
            f"{', '.join(told)}: verdicts start anew, 0 of {self.cached:,} cached verdicts apply "
            f"(epoch {self.previous} → {self.epoch})"
        )


def note_epoch(lake: Lake, epoch: JudgeEpoch, now_us: int) -> EpochChange | None:
    """Register an epoch at its first use, and say what changed.

    None when it was known, or is the first of its task. `now_us` is the clock, UTC microseconds. It is
    registered once however many processes come at a time; a lake of an older release gets the table first.
    """
    if not lake.exists("judge_epochs"):
        lake.create()
    known = lake.scan("judge_epochs").collect()
    if epoch.id in known["epoch"]:
        return None
    row = epoch_row(epoch, now_us)
    written = append_new(
        lake, "judge_epochs", pl.DataFrame([row], schema=frame_schema("judge_epochs")), key="epoch"
    )
    before = known.filter(pl.col("task") == row["task"])
    if not written or before.is_empty():
        return None
    return change(row, before, _cached(lake))


def epoch_row(epoch: JudgeEpoch, now_us: int) -> dict[str, Any]:
    """An epoch as a row of `judge_epochs`."""
    about = epoch.manifest()
    return {
        "epoch": epoch.id,
        "judge": epoch.name,
        "task": about.get("task", "pointwise"),
        **{name: about[name] for name in DECIDING},
        "parameters": msgspec.json.encode(about["parameters"], order="sorted").decode(),
        "first_seen": datetime.fromtimestamp(now_us / 1_000_000, UTC),
    }


def change(row: Mapping[str, Any], before: pl.DataFrame, cached: Mapping[str, int]) -> EpochChange:
    """How a row of `judge_epochs` differs from the most similar earlier one, the newest of several.

    The most similar rather than the newest: a panel, or rubrics of single features, take turns.
    `cached`: verdicts per epoch.
    """

    def differences(other: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        return {name: (other[name], row[name]) for name in DECIDING if other[name] != row[name]}

    newest_first = before.sort("first_seen", "epoch", descending=True).iter_rows(named=True)
    previous = min(newest_first, key=lambda other: len(differences(other)))
    found = differences(previous)
    if "rubric" in found:
        # A new version of a rubric is a new text too; saying so twice says nothing.
        found.pop("rubric_hash", None)
    return EpochChange(
        epoch=row["epoch"],
        judge=row["judge"],
        previous=previous["epoch"],
        differences=found,
        cached=cached.get(previous["epoch"], 0),
    )


def epochs(lake: Lake) -> pl.DataFrame:
    """Registered epochs (columns of `judge_epochs`), the newest first; none in a lake without the table."""
    if not lake.exists("judge_epochs"):
        return pl.DataFrame(schema=frame_schema("judge_epochs"))
    return lake.scan("judge_epochs").sort("first_seen", "epoch", descending=True).collect()


def verdict_counts(lake: Lake) -> pl.DataFrame:
    """Verdicts in the cache by epoch: epoch, judge, verdicts, fail, pass, unsure, tokens, cost_usd, last."""
    return (
        lake.scan("judgments")
        .group_by("epoch")
        .agg(
            judge=pl.col("judge").first(),
            verdicts=pl.len(),
            **{word: (pl.col("verdict") == word).sum() for word in ("fail", "pass", "unsure")},
            tokens=pl.col("input_tokens").sum() + pl.col("output_tokens").sum(),
            cost_usd=pl.col("cost_usd").sum(),
            last=pl.col("judged_at").max(),
        )
        .sort("epoch")
        .collect()
    )


def _cached(lake: Lake) -> dict[str, int]:
    return dict(verdict_counts(lake).select("epoch", "verdicts").iter_rows())
