"""What a judge prefers for no good reason: a position, or length.

Sources: L. Zheng et al., Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena (2023), section 3.3 and
table 2 (consistency, bias toward first and second). Intervals draw questions, because the comparisons of
one question are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from curation.agreement.bootstrap import Bootstrap, Floats, Ints, estimate, ratio
from curation.agreement.estimate import Estimate
from curation.judge.pairwise_rows import PairVerdict

_NO_ORDERS = "the file has no verdicts per order"
_NO_LENGTHS = "no decided comparison has known, different lengths"


@dataclass(frozen=True)
class PositionBias:
    """How often swapping the answers changes the verdict, and in whose favour. Errors never count."""

    comparisons: int
    errors: int
    """comparisons of which an order has no verdict"""
    valid: int
    inconsistent: int
    consistent_wins: int
    consistent_ties: int
    inconsistency_rate: Estimate
    """inconsistent / valid"""
    biased_to_first: Estimate
    """share of valid comparisons where the answer shown first won in both orders"""
    biased_to_second: Estimate
    first_share: Estimate
    """of the comparisons one position won in both orders, the share the first won; 0.5 without bias"""
    first_win_rate: Estimate
    """of all decided verdicts of both orders, the share the first position won; 0.5 without bias"""


@dataclass(frozen=True)
class LengthBias:
    """How winning goes with length, over consistent wins. Longer may also simply be better."""

    comparisons: int
    longer_wins: Estimate
    """share of wins of the longer answer, equal lengths left out"""
    correlation: Estimate
    """of winning (+1/−1) with log(own length / other length): Σ sd / √(Σ s² Σ d²), the same whichever
    answer is called a"""
    correlation_within_pairs: Estimate
    """the same after taking out each pair of models' mean, so that a good and wordy model does not count"""


def position_bias(verdicts: Sequence[PairVerdict], bootstrap: Bootstrap | None = None) -> PositionBias:
    """Position bias of one judge (one epoch)."""
    group = questions(verdicts)

    def share(part: Callable[[PairVerdict], int], whole: Callable[[PairVerdict], int], why: str) -> Estimate:
        return ratio(total(group, verdicts, part), total(group, verdicts, whole), bootstrap, undefined=why)

    def both(choice: str) -> Callable[[PairVerdict], int]:
        return lambda v: v.ab == v.ba == choice

    def first_wins(v: PairVerdict) -> int:
        return 0 if v.winner == "error" else (v.ab == "first") + (v.ba == "first")

    def decided(v: PairVerdict) -> int:
        return 0 if v.winner == "error" else (v.ab in ("first", "second")) + (v.ba in ("first", "second"))

    def valid(v: PairVerdict) -> int:
        return v.winner != "error"

    counts = {word: sum(v.winner == word for v in verdicts) for word in ("error", "inconsistent", "tie")}
    n_valid = len(verdicts) - counts["error"]
    no_valid = "no comparison has a verdict in both orders"
    ordered = any(v.ab is not None for v in verdicts)
    missing = Estimate.undefined(_NO_ORDERS)
    return PositionBias(
        comparisons=len(verdicts),
        errors=counts["error"],
        valid=n_valid,
        inconsistent=counts["inconsistent"],
        consistent_wins=n_valid - counts["inconsistent"] - counts["tie"],
        consistent_ties=counts["tie"],
        inconsistency_rate=share(lambda v: v.winner == "inconsistent", valid, no_valid),
        biased_to_first=share(both("first"), valid, no_valid) if ordered else missing,
        biased_to_second=share(both("second"), valid, no_valid) if ordered else missing,
        first_share=share(
            both("first"),
            lambda v: v.ab == v.ba and v.ab in ("first", "second"),
            "no comparison was won by one position in both orders",
        )
        if ordered
        else missing,
        first_win_rate=share(first_wins, decided, "no order was decided") if ordered else missing,
    )


def length_bias(verdicts: Sequence[PairVerdict], bootstrap: Bootstrap | None = None) -> LengthBias | None:
    """Length bias of one judge; None when no lengths are known at all."""
    if all(v.length_a is None or v.length_b is None for v in verdicts):
        return None
    known = [
        v for v in verdicts if v.winner in ("a", "b") and v.length_a is not None and v.length_b is not None
    ]
    group = questions(known)
    won = np.array([1.0 if v.winner == "a" else -1.0 for v in known])
    longer = np.array([np.log1p(v.length_a or 0) - np.log1p(v.length_b or 0) for v in known])
    differs = longer != 0
    pairs = (
        np.unique([f"{v.model_a}\n{v.model_b}" for v in known], return_inverse=True)[1] if known else group
    )
    return LengthBias(
        comparisons=len(known),
        longer_wins=ratio(
            _summed(group, (won * longer > 0) & differs),
            _summed(group, differs),
            bootstrap,
            undefined=_NO_LENGTHS,
        ),
        correlation=_correlation(group, won, longer, bootstrap),
        correlation_within_pairs=_correlation(
            group, _centred(pairs, won), _centred(pairs, longer), bootstrap
        ),
    )


def _correlation(group: Ints, s: Floats, d: Floats, bootstrap: Bootstrap | None) -> Estimate:
    sd, ss, dd = (_summed(group, x) for x in (s * d, s * s, d * d))

    def of(drawn: Floats) -> Floats:
        spread = (drawn @ ss) * (drawn @ dd)
        with np.errstate(invalid="ignore", divide="ignore"):
            result: Floats = (drawn @ sd) / np.sqrt(spread)
        return np.where(spread > 1e-12, result, np.nan)

    return estimate(of, np.ones(len(sd), dtype=np.int64), bootstrap, undefined=_NO_LENGTHS)


def _centred(group: Ints, values: Floats) -> Floats:
    if not len(values):
        return values
    means: Floats = np.bincount(group, weights=values) / np.bincount(group)
    return values - means[group]


def _summed(group: Ints, values: Floats | np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    if not len(values):
        return np.zeros(0)
    sums: Floats = np.bincount(group, weights=values.astype(np.float64)).astype(np.float64)
    return sums


def questions(verdicts: Sequence[PairVerdict]) -> Ints:
    """Which question each verdict is about, as 0, 1, 2 …"""
    at: dict[str, int] = {}
    return np.array([at.setdefault(v.question, len(at)) for v in verdicts], dtype=np.int64)


def total(group: Ints, verdicts: Sequence[PairVerdict], of: Callable[[PairVerdict], float]) -> Floats:
    """Sum per question."""
    return _summed(group, np.array([float(of(v)) for v in verdicts]))
