"""Pairwise verdicts as table `judgments` holds them, an order a row, and back to comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from curation.judge.epoch import JudgeEpoch
from curation.judge.pairwise import Preference
from curation.judge.pairwise_rows import Choice, PairVerdict, outcome

PEOPLE: Final = "people"
"""Stands for the model where a person, or nobody known, wrote a response."""

ORDERS: Final = pl.Schema(
    {
        "epoch": pl.String(),
        "judge": pl.String(),
        "content_hash": pl.String(),
        "pair_hash": pl.String(),
        "request_id": pl.String(),
        "verdict": pl.String(),
        "first_chars": pl.Int64(),
        "second_chars": pl.Int64(),
        "first_model": pl.String(),
        "second_model": pl.String(),
        "input_tokens": pl.Int64(),
        "output_tokens": pl.Int64(),
        "cost_usd": pl.Float64(),
    }
)
"""Columns of pairwise rows of `judgments` that statistics need."""


def order_rows(preferences: Sequence[Preference], epochs: Mapping[str, JudgeEpoch]) -> pl.DataFrame:
    """The judged orders behind preferences (`ORDERS`), those of panels' members one by one."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for vote in (vote for p in preferences for vote in p.members or (p,)):
        for order, verdict in zip(vote.comparison.orders, vote.verdicts, strict=True):
            if verdict is not None:
                rows[vote.epoch, order.content_hash] = {
                    "epoch": vote.epoch,
                    "judge": epochs[vote.epoch].name,
                    "content_hash": order.content_hash,
                    "pair_hash": vote.comparison.pair_hash,
                    "request_id": order.request_id,
                    "verdict": verdict.winner,
                    "first_chars": order.first.chars,
                    "second_chars": order.second.chars,
                    "first_model": order.first.model,
                    "second_model": order.second.model,
                    "input_tokens": verdict.input_tokens,
                    "output_tokens": verdict.output_tokens,
                    "cost_usd": verdict.cost_usd,
                }
    return pl.DataFrame([rows[key] for key in sorted(rows)], schema=ORDERS)


def pair_verdicts(orders: pl.DataFrame) -> list[PairVerdict]:
    """Comparisons from rows in `ORDERS`, per epoch and pair; one whose other order is missing is an error.

    Answers are named by who wrote them. Where both have one writer, the one that is shown first in the order
    with the smaller content hash is a.
    """
    ordered = orders.unique(["epoch", "content_hash"], keep="first", maintain_order=True).sort(
        "epoch", "pair_hash", "content_hash"
    )
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in ordered.iter_rows(named=True):
        pairs.setdefault((row["epoch"], row["pair_hash"]), []).append(row)
    return [_verdict(rows) for rows in pairs.values()]


def _verdict(rows: Sequence[Mapping[str, Any]]) -> PairVerdict:
    first = rows[0]
    writers = [first["first_model"] or PEOPLE, first["second_model"] or PEOPLE]
    lengths = [first["first_chars"], first["second_chars"]]
    swapped = writers[0] > writers[1]
    said: list[Choice] = [first["verdict"], rows[1]["verdict"] if len(rows) > 1 else "error"]
    if swapped:
        writers, lengths, said = writers[::-1], lengths[::-1], said[::-1]
    return PairVerdict(
        judge=first["epoch"],
        question=first["request_id"],
        turn=1,
        category=None,
        model_a=writers[0],
        model_b=writers[1],
        ab=said[0],
        ba=said[1],
        winner=outcome(said[0], said[1]),
        length_a=lengths[0],
        length_b=lengths[1],
    )


def judge_names(orders: pl.DataFrame) -> dict[str, str]:
    """Epoch → judge as named to people."""
    return dict(sorted(orders.select("epoch", "judge").unique().iter_rows()))
