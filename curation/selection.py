"""Selection: the failures worth learning from, and a random control slice beside them."""

from __future__ import annotations

import hashlib

import polars as pl

from contracts.settings import CurationSettings
from curation.steps import StepResult, gate


def uniform(ids: pl.Series, seed: int) -> pl.Series:
    """A number in [0, 1) per id: random-looking, but the same for the same id and seed, for ever."""

    def draw(value: str) -> float:
        digest = hashlib.blake2b(f"{seed}\x1f{value}".encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) / (1 << 53)

    return pl.Series(ids.name, [draw(value) for value in ids], dtype=pl.Float64)


def pool(rows: pl.DataFrame, settings: CurationSettings) -> pl.Series:
    """Which rows `select` may keep, caps aside (boolean)."""
    draws = uniform(rows["request_id"], settings.seed)
    failing = (rows["failure_score"] >= settings.failure_threshold).fill_null(value=False)
    return failing | (draws < settings.control_share)


def select(rows: pl.DataFrame, settings: CurationSettings) -> StepResult:
    """Keep failures (score at or above the threshold) and a random share of the rest as control.

    Adds `slice` (failure or control). A user has at most `max_per_user` rows: the highest scores
    stay, ties decided by the seeded draw.
    """
    rows = rows.with_columns(_draw=uniform(rows["request_id"], settings.seed))
    failing = pl.col("failure_score") >= settings.failure_threshold
    control = pl.col("_draw") < settings.control_share
    rows = rows.with_columns(
        slice=pl.when(failing).then(pl.lit("failure")).when(control).then(pl.lit("control"))
    )
    chosen = pl.col("slice").is_not_null()
    owner = pl.coalesce("user_key", "session_id")
    # Unselected rows sort last within their user, so they never use up a place.
    rank = pl.struct(~chosen, -pl.col("failure_score"), pl.col("_draw")).rank("ordinal").over(owner)
    result = gate(
        "select",
        rows.with_columns(_rank=rank),
        [("below_threshold", ~chosen), ("user_cap", pl.col("_rank") > settings.max_per_user)],
        details={"below_threshold": pl.format("score {}", pl.col("failure_score").round(3))},
    )
    return StepResult(result.name, result.kept.drop("_draw", "_rank"), result.refused, result.rows_in)
