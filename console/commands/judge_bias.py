"""`tailrace judge bias`: what judges that compared responses are biased by, from the lake's own verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import polars as pl
import typer

from console.estimates import Confidence, Resamples, Seed, brief, made
from console.options import Home, Json, open_lake, settings_for
from console.terminal import out, print_json, print_table, progress_bar
from contracts.errors import TerminalError
from curation.agreement.bootstrap import Bootstrap
from curation.agreement.estimate import Estimate
from curation.judge.order_rows import ORDERS
from curation.judge.pairwise_bias import EpochBias, bias_by_epoch, bias_value
from sinks.lake import Lake


def bias(
    home: Home = None,
    epoch: Annotated[
        str | None,
        typer.Option(metavar="EPOCH", help="Only this judge epoch (or the start of it).", show_default=False),
    ] = None,
    bootstrap: Resamples = 1_000,
    seed: Seed = 0,
    confidence: Confidence = 0.95,
    as_json: Json = False,
) -> None:
    """Say what the judges that compare pairs are biased by: the place shown first, length, their own family.

    Every comparison was asked in both orders; this reads what the table `judgments` holds of them. Each
    epoch is reported by itself, and intervals draw requests. A judge without bias names the first position
    in half of what it decides, and changes its mind with the order in no comparison.

    With `--json`: `epochs.<epoch>` with `judge`, `comparisons`, `consistent` (one response won in both
    orders), `inconsistent`, `ties`, `unjudged` (an order is missing), `inconsistency_rate`,
    `biased_to_first`, `biased_to_second`, `first_share`, `first_win_rate`, `own_family_wins` and `length`
    (`longer_wins`, `correlation`, `correlation_within_pairs`). Every statistic is
    `{value, low, high, n, method, reason}`.
    """
    lake = open_lake(settings_for(home))
    orders = stored_orders(lake, epoch)
    if orders.is_empty():
        which = f"of epoch {epoch} " if epoch else ""
        raise TerminalError(
            f"the lake holds no comparison {which}yet",
            hint="A drop with an LLM judge compares its rewrites; with judge.compare = all every pair.",
        )
    resampling = Bootstrap(resamples=bootstrap, seed=seed, confidence=confidence)
    with progress_bar(quiet=as_json) as progress:
        task = progress.add_task("resampling", total=1)
        found = bias_by_epoch(orders, resampling)
        progress.advance(task)
    if as_json:
        epochs = {name: bias_value(one) for name, one in found.items()}
        print_json({"bootstrap": made(resampling), "epochs": epochs})
        return
    _show(found)


def stored_orders(lake: Lake, epoch: str | None = None) -> pl.DataFrame:
    """Pairwise rows of `judgments` (`ORDERS`), of epochs that begin with `epoch`, in the order judged."""
    rows = lake.scan("judgments").filter(pl.col("task") == "pairwise")
    if epoch:
        rows = rows.filter(pl.col("epoch").str.starts_with(epoch))
    return rows.sort("judged_at", "content_hash").select(list(ORDERS)).collect()


def _show(found: Mapping[str, EpochBias]) -> None:
    print_table(
        ["epoch", "judge", "comparisons", "won", "ties", "inconsistent", "unjudged", "inconsistency rate"],
        [
            [
                name,
                one.judge,
                one.position.comparisons,
                one.position.consistent_wins,
                one.position.consistent_ties,
                one.position.inconsistent,
                one.position.errors,
                brief(one.position.inconsistency_rate),
            ]
            for name, one in found.items()
        ],
        title="Swapping the responses",
    )
    print_table(
        ["epoch", "longer wins", "correlation with length", "own family wins"],
        [
            [
                name,
                brief(one.length.longer_wins) if one.length else None,
                brief(one.length.correlation) if one.length else None,
                brief(one.own_family_wins),
            ]
            for name, one in found.items()
        ],
        title="What goes with winning (a longer response may simply be better)",
    )
    for name, one in found.items():
        words = position_words(one.position.first_share)
        out.print(f"{name}: {words}", markup=False, highlight=False, soft_wrap=True)


def position_words(share: Estimate) -> str:
    """The share the first position has of what one position won in both orders, in words."""
    if share.value is None:
        return str(share.reason)
    words = f"where one position won in both orders, it was the first in {share.value:.0%}"
    if share.low is None or share.high is None:
        return words
    if share.low > 0.5:
        return f"{words}: biased to the first position"
    if share.high < 0.5:
        return f"{words}: biased to the second position"
    return f"{words}: no bias to be told from chance"
