"""The rows of a fit: labelled interactions as evidence terms, split by user."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.fitting.labels import Labels
from curation.scoring import evidence

HELD_OUT: Final = 0.3
"""Share of users the fit is measured on."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Design:
    """Labelled requests as numbers, ordered by request id.

    terms: names of the columns of `x`. x: evidence (xᵢ of the score, 0 where unobserved), without what the
    labels are made of. failed: the labels. users: a number per user. held_out: rows of users that the fit
    never sees. rows: the interactions. `until`: time of the newest evidence among them.
    """

    terms: tuple[str, ...]
    x: Floats
    failed: Bools
    users: npt.NDArray[np.int64]
    held_out: Bools
    rows: pl.DataFrame
    until: datetime | None

    def part(self, where: Bools) -> Design:
        """Some of the rows."""
        return Design(
            self.terms,
            self.x[where],
            self.failed[where],
            self.users[where],
            self.held_out[where],
            self.rows.filter(pl.Series(where)),
            self.until,
        )


def design(interactions: pl.DataFrame, labels: Labels, *, seed: int) -> Design:
    """Labelled requests of real users as a `Design`; `interactions` are current ones.

    A user is held out when the lake's own split holds them out (their data is never trained on), or by a
    hash of their pseudonym keyed with `seed`: the same lake and seed give the same split.
    """
    rows = (
        interactions.filter(pl.col("actor") == "user")
        .join(labels.rows, on="request_id", how="inner")
        .sort("request_id")
    )
    owners = rows.select(pl.coalesce("user_key", "session_id")).to_series()
    terms = tuple(evidence())
    x = rows.select(expr.fill_null(0.0).cast(pl.Float64).alias(name) for name, expr in evidence().items())
    matrix = x.to_numpy().copy()
    for name in labels.excluded:
        matrix[:, terms.index(name)] = 0.0
    distinct = owners.unique().sort()
    drawn = {owner: _draw(owner, seed) < HELD_OUT for owner in distinct}
    held_out = owners.replace_strict(drawn, return_dtype=pl.Boolean) if rows.height else owners.is_null()
    return Design(
        terms=terms,
        x=matrix,
        failed=rows["failed"].to_numpy().astype(np.bool_),
        users=owners.rank("dense").cast(pl.Int64).to_numpy() if rows.height else np.empty(0, np.int64),
        held_out=(held_out | (rows["split"] == "held_out")).to_numpy().astype(np.bool_),
        rows=rows,
        until=rows["evidence_until"].max() if rows.height else None,  # type: ignore[arg-type]
    )


def _draw(owner: str, seed: int) -> float:
    digest = hashlib.blake2b(owner.encode(), digest_size=8, key=f"score fit {seed}".encode()).digest()
    return int.from_bytes(digest, "big") / 2**64


def folds(users: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """A fold per row, the same for all rows of a user; users are dealt out by their first row."""
    _, first, inverse = np.unique(users, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    dealt: npt.NDArray[np.int64] = (order % count)[inverse]
    return dealt
