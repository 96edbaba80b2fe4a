"""What a judge that compares is biased by, per epoch, from the comparisons it has made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from curation.agreement.bootstrap import Bootstrap, ratio
from curation.agreement.estimate import Estimate
from curation.judge.bias import LengthBias, PositionBias, length_bias, position_bias, questions, total
from curation.judge.order_rows import judge_names, pair_verdicts
from curation.judge.pairwise_rows import PairVerdict
from curation.judge.panel_stats import RESAMPLING
from curation.self_approval import model_family


@dataclass(frozen=True)
class EpochBias:
    """One epoch. Never mixed with another in one figure."""

    judge: str
    position: PositionBias
    length: LengthBias | None
    own_family_wins: Estimate
    """where one response is of the judge's own model family: the share of consistent wins it has"""


def bias_by_epoch(orders: pl.DataFrame, bootstrap: Bootstrap | None = RESAMPLING) -> dict[str, EpochBias]:
    """Bias of every epoch in `orders` (`order_rows.ORDERS`), by epoch.

    Intervals draw requests, since the comparisons of one request are not independent.
    """
    by_epoch: dict[str, list[PairVerdict]] = {}
    for verdict in pair_verdicts(orders):
        by_epoch.setdefault(verdict.judge, []).append(verdict)
    return {
        epoch: EpochBias(
            judge=name,
            position=position_bias(by_epoch[epoch], bootstrap),
            length=length_bias(by_epoch[epoch], bootstrap),
            own_family_wins=_own_family(by_epoch[epoch], name, bootstrap),
        )
        for epoch, name in judge_names(orders).items()
    }


def _own_family(verdicts: Sequence[PairVerdict], judge: str, bootstrap: Bootstrap | None) -> Estimate:
    family = model_family(judge.partition(":")[2])

    def own(verdict: PairVerdict) -> str | None:
        sides = [model_family(m) == family for m in (verdict.model_a, verdict.model_b)]
        return ("a" if sides[0] else "b") if family and sides[0] != sides[1] else None

    known = [v for v in verdicts if v.winner in ("a", "b") and own(v) is not None]
    group = questions(known)
    return ratio(
        total(group, known, lambda v: float(v.winner == own(v))),
        total(group, known, lambda _: 1.0),
        bootstrap,
        undefined="no decided comparison with one response of the judge's family",
    )


def pairwise_manifest(orders: pl.DataFrame, bootstrap: Bootstrap | None = RESAMPLING) -> dict[str, Any]:
    """The manifest's `pairwise`: by epoch, what its comparisons came to and how it is biased."""
    return {epoch: bias_value(found) for epoch, found in bias_by_epoch(orders, bootstrap).items()}


def bias_value(found: EpochBias) -> dict[str, Any]:
    """One epoch as JSON: `comparisons`, `consistent`, `inconsistent`, `ties`, `unjudged` and the rates, each
    `{value, low, high, n, method, reason}`. `consistent` is wins in both orders; ties are counted apart."""
    position: dict[str, Any] = msgspec.to_builtins(found.position)
    counts = {
        "comparisons": position.pop("comparisons"),
        "consistent": position.pop("consistent_wins"),
        "inconsistent": position.pop("inconsistent"),
        "ties": position.pop("consistent_ties"),
        "unjudged": position.pop("errors"),
    }
    position.pop("valid")
    value = {
        "judge": found.judge,
        **counts,
        **position,
        "length": msgspec.to_builtins(found.length),
        "own_family_wins": msgspec.to_builtins(found.own_family_wins),
    }
    return {key: _rounded(part) for key, part in value.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return round(value, 6) if isinstance(value, float) else value
