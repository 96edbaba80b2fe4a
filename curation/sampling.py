"""Random choice with known chances: seeded draws, and caps whose effect on each row's chance is known.

Priority sampling (Duffield, Lund, Thorup: "Priority sampling for estimation of arbitrary subset sums", J. ACM
54(6), 2007): a row of weight w and draw u has priority u / w, and a cap of k keeps the k smallest. Given the
draws of all other rows, a kept row was kept with probability min(1, w·τ), where τ is the smallest priority
that the cap refused. Σ x / probability over kept rows is then an unbiased estimate of Σ x over all rows, for
any x. Caps applied one after the other, each to what the last one left, keep that property with the smallest
of their τ (Ting: "Adaptive threshold sampling", SIGMOD 2022): while a row is kept, its own draw moves none of
them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl


def uniform(ids: pl.Series, seed: int, purpose: str = "") -> pl.Series:
    """A number in [0, 1) per id: random-looking, but the same for the same id, seed and purpose, for ever.

    Draws for different purposes are independent of each other.
    """
    draw = drawing(seed, purpose)
    return pl.Series(ids.name, [draw(value) for value in ids], dtype=pl.Float64)


def drawing(seed: int, purpose: str = "") -> Callable[[str], float]:
    """What draws the numbers of `uniform`, for one id at a time."""
    start = hashlib.blake2b(f"{seed}\x1f{purpose}\x1f".encode(), digest_size=8)

    def draw(value: str) -> float:
        state = start.copy()
        state.update(value.encode())
        return (int.from_bytes(state.digest(), "big") >> 11) / (1 << 53)

    return draw


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` rows with the same value of `key`; the others are refused for `reason`."""

    reason: str
    key: pl.Expr
    most: pl.Expr | int


def apply_caps(rows: pl.DataFrame, caps: Sequence[Cap], *, weight: pl.Expr, draw: pl.Expr) -> pl.DataFrame:
    """Add `cap` (reason of the first cap that refuses the row, null: kept) and `chance` (null when refused).

    rows: in any order, with a unique `request_id`, which decides ties. weight: above 0. draw: in [0, 1).
    `most` of a cap must not vary within a value of its key. Rows come back in the order they came in.
    """
    state = (
        rows.with_row_index("_at")
        .with_columns(_weight=weight, _priority=draw / weight)
        .sort("_priority", "request_id")
        .with_columns(cap=pl.lit(None, dtype=pl.String), _threshold=pl.lit(float("inf")))
    )
    for number, cap in enumerate(caps):
        state = state.with_columns(
            _key=cap.key, _most=cap.most if isinstance(cap.most, pl.Expr) else pl.lit(cap.most)
        )
        alive = pl.col("cap").is_null()
        place = pl.int_range(pl.len()).over("_key", "cap")
        state = state.with_columns(_place=pl.when(alive).then(place))
        refused = alive & (pl.col("_place") >= pl.col("_most"))
        groups = (
            state.filter(refused)
            .group_by("_key")
            .agg(pl.col("_priority").min().alias(f"_threshold_{number}"))
        )
        state = (
            state.join(groups, on="_key", how="left", nulls_equal=True, maintain_order="left")
            .with_columns(
                cap=pl.when(refused).then(pl.lit(cap.reason)).otherwise("cap"),
                _threshold=pl.min_horizontal("_threshold", f"_threshold_{number}"),
            )
            .drop(f"_threshold_{number}", "_key", "_most", "_place")
        )
    chance = pl.min_horizontal(pl.lit(1.0), pl.col("_weight") * pl.col("_threshold"))
    return (
        state.with_columns(chance=pl.when(pl.col("cap").is_null()).then(chance))
        .sort("_at")
        .drop("_at", "_weight", "_priority", "_threshold")
    )
