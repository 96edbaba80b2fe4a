"""Preference rows under the pairwise judge: margins of all, and which rewrites may stay.

People's pairs are compared for their margin only and never refused by it. A rewrite stays when the judge, or
every member of the panel, prefers it in both orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from curation.bench_judging import compare_by_feature
from curation.comparisons import comparisons_of
from curation.judge.bench import Bench
from curation.judge.family import takes_part
from curation.judge.pairwise import Comparison, Preference
from curation.judge.panel import combined
from curation.judge.verdicts import Spend
from curation.replay import Replay
from curation.rewrites import SOURCE
from curation.steps import StepResult, refusals
from curation.verdict_memory import Memory, Progress

STEP: Final = "compare"
SAME_FAMILY: Final = "same_family"

_WORDS: Final = {"a": "chosen", "b": "rejected"}
_REASONS: Final = {
    "rejected": "not_preferred",
    "tie": "tie",
    "inconsistent": "order_inconsistent",
    "split": "panel_split",
}

COLUMNS: Final = pl.Schema(
    {
        "judge_preference": pl.String(),
        "margin": pl.Float64(),
        "compare_family_match": pl.Boolean(),
        "compare_unjudged": pl.String(),
    }
)
"""What a comparison adds to a preference row. judge_preference: `chosen`, `rejected`, `tie`, `inconsistent`,
`split`, or null when there is none. margin: how much the judge prefers the chosen side, 0 to 1; negative
when it prefers the rejected one, 0 when it prefers neither in both orders, null without a preference.
compare_family_match: a judge had a side in it. compare_unjudged: why a comparison that was asked for has no
preference."""


@dataclass(frozen=True)
class Compared:
    """Preference rows after comparing, with `COLUMNS`, and the preferences there are, for statistics.

    `family_matches`: comparisons in which a judge had a side.
    """

    result: StepResult
    preferences: list[Preference]
    family_matches: int

    @property
    def spent(self) -> Spend:
        """What this run paid for comparisons."""
        return sum((preference.spent for preference in self.preferences), Spend())


def without_comparison(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that nobody compared, with `COLUMNS`."""
    return rows.with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in COLUMNS.items() if name not in rows.columns
    )


def compare(
    memory: Memory | Replay, bench: Bench, rows: pl.DataFrame, *, progress: Progress | None = None
) -> Compared:
    """Compare gated preference rows as `judge.compare` says, and refuse rewrites that are not preferred.

    rows: as `comparisons_of` needs them, with `feature`, `pair_source`, `request_ids` and `date`. Reasons:
    `not_preferred`, `order_inconsistent`, `tie`, `panel_split`, `unjudged_…`, and `same_family` (with
    `judge.same_family = "refuse"`: nobody of another family prefers it). Raises `JudgeRefused` when the
    endpoint rejects key or model.
    """
    rewritten = pl.col("pair_source") == SOURCE
    wanted = rewritten if bench.settings.compare == "rewrites" else pl.lit(value=True)
    marked = rows.with_row_index("_row").with_columns(_wanted=wanted)
    asked = marked.filter("_wanted")
    comparisons, features = comparisons_of(asked), asked["feature"].to_list()
    refuse = bench.settings.same_family == "refuse"
    models = {epoch: found.model for epoch, found in bench.epochs().items()}
    worth = [
        not refuse or any(not takes_part(model, c) for model in bench.compare_models_for(feature))
        for c, feature in zip(comparisons, features, strict=True)
    ]
    places = [n for n, counts in enumerate(worth) if counts]
    found: list[Preference | None] = [None] * len(comparisons)
    for n, preference in zip(
        places,
        compare_by_feature(
            memory,
            bench,
            [comparisons[n] for n in places],
            [features[n] for n in places],
            progress=progress,
        ),
        strict=True,
    ):
        found[n] = preference
    added = [
        _columns(c, p, models, bench.compare_models_for(feature), refuse=refuse)
        for c, p, feature in zip(comparisons, found, features, strict=True)
    ]
    columns = pl.DataFrame(added, schema=COLUMNS, orient="row").with_columns(_row=asked["_row"])
    done = marked.join(columns, on="_row", how="left", maintain_order="left").drop("_row", "_wanted")
    matches = int(columns["compare_family_match"].sum())
    return Compared(_refuse(done), [p for p in found if p is not None], matches)


def _columns(
    comparison: Comparison,
    preference: Preference | None,
    models: Mapping[str, str],
    judges: Sequence[str],
    *,
    refuse: bool,
) -> tuple[str | None, float | None, bool, str | None]:
    match = any(takes_part(model, comparison) for model in judges)
    if preference is not None and refuse and match:
        preference = independent(preference, models)
    if preference is None:
        return None, None, match, SAME_FAMILY if refuse and match else None
    if preference.winner is None:
        return None, None, match, f"unjudged_{preference.reason.value if preference.reason else ''}"
    word = _WORDS.get(preference.winner, preference.winner)
    margin = preference.margin or 0.0
    return word, -margin if word == "rejected" else margin, match, None


def independent(preference: Preference, models: Mapping[str, str]) -> Preference | None:
    """The preference of those who have no side in the comparison; None when everybody has.

    models: epoch → model.
    """
    votes = preference.members or (preference,)
    others = [vote for vote in votes if not takes_part(models[vote.epoch], vote.comparison)]
    if not others:
        return None
    return others[0] if len(others) == 1 else combined(others)


def _refuse(rows: pl.DataFrame) -> StepResult:
    preferred = (pl.col("judge_preference") == "chosen").fill_null(value=False)
    stays = (pl.col("pair_source") != SOURCE) | preferred
    refused = rows.filter(~stays)
    reason = pl.coalesce(
        pl.col("judge_preference").replace_strict(_REASONS, default=None, return_dtype=pl.String),
        "compare_unjudged",
        pl.lit("unjudged_no_comparer"),
    )
    return StepResult(
        STEP,
        rows.filter(stays),
        refusals(
            STEP,
            refused,
            reason=reason,
            kind=pl.col("kind"),
            detail=pl.format("rewrite by {}", pl.col("chosen_model")),
        ),
        rows.height,
    )
