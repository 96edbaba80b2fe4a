"""What a drop's manifest says of comparisons: what they came to, who was biased how, what they cost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from curation.compare import Compared
from curation.judge.bench import Bench
from curation.judge.order_rows import order_rows
from curation.judge.pairwise_bias import pairwise_manifest
from curation.judge.verdicts import Spend
from curation.rewrites import SOURCE


def compare_manifest(rows: pl.DataFrame, compared: Compared, bench: Bench) -> dict[str, Any]:
    """The manifest's `pairwise`. rows: those that went in.

    `people` counts the judge's words on pairs that people made: `chosen` (it agrees), `rejected` (it would
    have it the other way round), `tie`, `inconsistent`, `split`, `unjudged`. `rewrites`: how many were
    compared and how many stayed. `family_matches`: comparisons in which a judge had a side. `epochs`: see
    `pairwise_manifest`.
    """
    kept = compared.result.kept
    theirs = kept.filter(pl.col("pair_source") != SOURCE)
    words: Counter[str] = Counter()
    if bench.settings.compare == "all":
        words.update(theirs["judge_preference"].fill_null("unjudged"))
    rewritten = pl.col("pair_source") == SOURCE
    orders = order_rows(compared.preferences, bench.epochs())
    return {
        "people": dict(sorted(words.items())),
        "rewrites": {"compared": rows.filter(rewritten).height, "kept": kept.filter(rewritten).height},
        "family_matches": compared.family_matches,
        "epochs": pairwise_manifest(orders),
    }


def comparison_cost(compared: Compared, bench: Bench) -> Spend:
    """What verdicts on comparisons cost when they were made, cached ones as they were paid.

    `calls` counts comparisons with an answer, those of each member of a panel.
    """
    orders = order_rows(compared.preferences, bench.epochs())
    return Spend(
        calls=orders.select("epoch", "pair_hash").n_unique(),
        input_tokens=int(orders["input_tokens"].sum()),
        output_tokens=int(orders["output_tokens"].sum()),
        cost_usd=float(orders["cost_usd"].sum()),
    )
