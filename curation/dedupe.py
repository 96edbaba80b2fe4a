"""Duplicates: one row per content, and one per cluster of near duplicates.

Rows with the same content have the same `example_id`. Near duplicates are rows whose similarity
(`curation.sketches`) reaches `near_duplicate`. Within a drop it is computed exactly, for the pairs that share
a bucket; against earlier drops, whose texts are not read again, it is estimated from their stored sketches.
Linked rows form a cluster (single linkage), of which one row stays: the one with the most evidence events,
then explicit feedback (thumbs, rating) before behaviour alone, then the most decided score (farthest from
0.5), then the smallest id. Neither the order of the rows nor how they were split before matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from contracts.settings import CurationSettings
from curation.sketches import (
    ALGORITHM,
    PARTS,
    Sketches,
    estimated,
    shingles_of,
    similarity,
    sketch,
    unpacked,
    unpacked_bands,
)
from curation.steps import StepResult, refusals
from curation.texts.hashing import Hashes, content_hash
from curation.texts.minhash import candidate_pairs, pairs_across

EXPLICIT: Final = ("thumbs", "rating")

SLACK: Final = 0.15
"""Pairs estimated this far below the threshold (four standard errors) are not compared exactly."""

_BLOCK: Final = 2_048
"""Pairs whose rows' shingles are in memory at a time, unless one cluster has more."""

Texts = Callable[[list[str]], pl.DataFrame]
"""Texts of rows by example id: `example_id`, `prompt`, `chosen`, `rejected`, in any order."""


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """The step's result, and the sketches of the rows it kept (in their order) for later drops."""

    result: StepResult
    sketches: Sketches


def with_example_id(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `example_id`: hash of a row's kind and texts, so equal content has equal ids."""
    ids = [content_hash(parts) for parts in rows.select("kind", *PARTS).iter_rows()]
    return rows.with_columns(example_id=pl.Series(ids, dtype=pl.String))


def deduplicate(
    rows: pl.DataFrame, settings: CurationSettings, earlier: pl.LazyFrame | None = None
) -> Deduplicated:
    """Keep one row per cluster of equal and nearly equal rows, and none that an earlier drop holds.

    rows: final rows with texts (`kind`, `prompt`, `chosen`, `rejected`), `request_ids`, `evidence_ids`,
    `failure_score`, `slice`, `date`; `contributions` and `inclusion_probability` are used when there.
    earlier: `example_sketches` of earlier drops. Replayed rows may be in one; that is their point.

    Reasons: `duplicate`, `near_duplicate`; the detail names the example that stays. Adds to kept rows
    `example_id`, `cluster_id` (the kept example), `cluster_size` (rows, itself included),
    `cluster_request_ids` (sorted) and `design_weight`: how many eligible requests the row stands for, the sum
    of 1 / inclusion_probability over the cluster's requests. Kept rows are ordered by `example_id`.
    """
    rows = with_example_id(rows)
    contents = rows.unique("example_id", keep="any").sort("example_id")
    found = sketch(contents)
    light = rows.drop(PARTS)

    def texts(ids: list[str]) -> pl.DataFrame:
        return contents.filter(pl.col("example_id").is_in(ids)).select("example_id", *PARTS)

    result, places = clusters(light, contents["example_id"], found, texts, settings, earlier)
    kept = result.kept.join(
        contents.select("example_id", *PARTS), on="example_id", how="left", maintain_order="left"
    )
    return Deduplicated(StepResult("dedupe", kept, result.refused, result.rows_in), found.take(places))


def clusters(
    light: pl.DataFrame,
    ids: pl.Series,
    sketches: Sketches,
    texts: Texts,
    settings: CurationSettings,
    earlier: pl.LazyFrame | None = None,
) -> tuple[StepResult, npt.NDArray[np.intp]]:
    """`deduplicate` for rows whose texts lie elsewhere: a million rows need their light columns and 1 GB.

    light: rows without texts, with `example_id`. ids: their distinct example ids, sorted, in step with
    `sketches`. Returns the result (rows without texts) and the places of the kept rows in `sketches`.
    """
    ordered = _best_first(light)
    known = _in_earlier(ordered, ids, sketches, earlier, settings.near_duplicate)
    left, refused = _refuse_known(ordered, known)
    links = _linked(left, ids, sketches, texts, settings.near_duplicate)
    kept, copies = _one_per_cluster(left.join(links, on="example_id", how="inner", maintain_order="left"))
    places = np.flatnonzero(ids.is_in(kept["example_id"].implode()).to_numpy())
    return StepResult("dedupe", kept, pl.concat([refused, copies]), light.height), places


def _best_first(light: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order in which a cluster would keep them."""
    explicit = pl.repeat(value=False, n=pl.len())
    if "contributions" in light.columns:
        signals = pl.col("contributions").list.eval(pl.element().struct.field("signal"))
        explicit = signals.list.set_intersection(list(EXPLICIT)).list.len() > 0
    return light.sort(
        -pl.col("evidence_ids").list.n_unique().cast(pl.Int64),
        ~explicit.fill_null(value=False),
        -(pl.col("failure_score") - 0.5).abs(),
        "example_id",
        pl.col("request_ids").list.first(),
        pl.col("request_ids").list.join("\x1f"),
    )


_KNOWN: Final = pl.Schema(
    {
        "example_id": pl.String(),
        "known_id": pl.String(),
        "known_drop": pl.String(),
        "similarity": pl.Float64(),
    }
)
"""Examples and the one of an earlier drop they repeat; `similarity` is null for the same content."""


def _in_earlier(
    light: pl.DataFrame, ids: pl.Series, sketches: Sketches, earlier: pl.LazyFrame | None, threshold: float
) -> pl.DataFrame:
    """What earlier drops hold already (`_KNOWN`); replayed rows are not asked about."""
    fresh = light.filter(pl.col("slice") != "replay")["example_id"].unique()
    if earlier is None or fresh.is_empty():
        return pl.DataFrame(schema=_KNOWN)
    same_rules = earlier.filter(pl.col("algorithm") == ALGORITHM)
    before = (
        same_rules.select("example_id", "drop_id", "bands")
        .collect()
        .sort("drop_id", "example_id")
        .unique("example_id", keep="first", maintain_order=True)
        .sort("example_id")
    )
    held = before.select(
        "example_id", known_id="example_id", known_drop="drop_id", similarity=pl.lit(None, pl.Float64)
    )
    exact = held.filter(pl.col("example_id").is_in(fresh.implode()))
    asked = ids.is_in(fresh.implode()) & ~ids.is_in(exact["example_id"].implode())
    rows = np.flatnonzero(asked.to_numpy())
    pairs = pairs_across(sketches.keys[rows], unpacked_bands(before["bands"]))
    near = _near_earlier(
        pairs, ids.gather(rows), sketches.take(rows), before.drop("bands"), same_rules, threshold
    )
    return pl.concat([exact, near])


def _near_earlier(
    pairs: pl.DataFrame,
    ids: pl.Series,
    sketches: Sketches,
    before: pl.DataFrame,
    earlier: pl.LazyFrame,
    threshold: float,
) -> pl.DataFrame:
    if pairs.is_empty():
        return pl.DataFrame(schema=_KNOWN)
    met = before["example_id"].gather(pairs["right"].unique().sort())
    stored = (
        earlier.filter(pl.col("example_id").is_in(met.implode()))
        .select("example_id", "bands", *(f"{part}_signature" for part in PARTS))
        .collect()
        .unique("example_id")
        .sort("example_id")
    )
    # Both are sorted by id, so a pair's place among the stored ones is its id's.
    right = met.search_sorted(before["example_id"].gather(pairs["right"])).to_numpy()
    similar = estimated(sketches, pairs["left"].to_numpy(), unpacked(stored), right)
    return (
        pl.DataFrame(
            {
                "example_id": ids.gather(pairs["left"]),
                "known_id": met.gather(right),
                "similarity": similar,
            }
        )
        .filter(pl.col("similarity") >= threshold)
        .sort(-pl.col("similarity"), "known_id")
        .unique("example_id", keep="first", maintain_order=True)
        .join(before.select(known_id="example_id", known_drop="drop_id"), on="known_id", how="left")
        .select(_KNOWN.names())
    )


def _refuse_known(light: pl.DataFrame, known: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that go on, and refusals of those an earlier drop holds."""
    replay = pl.col("slice") == "replay"
    marked = light.join(known, on="example_id", how="left", maintain_order="left")
    repeated = ~replay & pl.col("known_id").is_not_null()
    exact = pl.col("similarity").is_null()
    refused = refusals(
        "dedupe",
        marked.filter(repeated),
        reason=pl.when(exact).then(pl.lit("duplicate")).otherwise(pl.lit("near_duplicate")),
        kind=pl.col("kind"),
        detail=pl.when(exact)
        .then(pl.format("same content as example {} of drop {}", "known_id", "known_drop"))
        .otherwise(
            pl.format(
                "estimated similarity {} with example {} of drop {}",
                pl.col("similarity").round(3),
                "known_id",
                "known_drop",
            )
        ),
    )
    return marked.filter(~repeated).drop("known_id", "known_drop", "similarity"), refused


def _linked(
    light: pl.DataFrame, ids: pl.Series, sketches: Sketches, texts: Texts, threshold: float
) -> pl.DataFrame:
    """The cluster of every content: example_id, cluster_id (the kept content) and similarity with that."""
    order = light["example_id"].unique(maintain_order=True)
    places = np.flatnonzero(ids.is_in(order.implode()).to_numpy())
    mine = ids.gather(places)
    standing = np.empty(len(places), dtype=np.int64)
    standing[mine.search_sorted(order).to_numpy()] = np.arange(len(places))
    pairs = candidate_pairs(sketches.keys[places])
    left, right = (places[pairs[side].to_numpy()] for side in ("left", "right"))
    similar = estimated(sketches, left, sketches, right)
    pairs = pairs.filter(pl.Series(similar >= threshold - SLACK))
    kept, nearest = np.arange(len(places)), np.ones(len(places))
    for block in _blocks(pairs, len(places)):
        _link_block(block, mine, standing, texts, threshold, kept, nearest)
    return pl.DataFrame({"example_id": mine, "cluster_id": mine.gather(kept), "similarity": nearest})


def _blocks(pairs: pl.DataFrame, count: int) -> Iterator[list[tuple[int, int]]]:
    """Pairs in batches; pairs that hang together are in one batch."""
    groups = Groups(count)
    for left, right in pairs.iter_rows():
        groups.link(left, right)
    roots = pl.Series([groups.root(left) for left in pairs["left"]], dtype=pl.UInt32)
    ordered = pairs.with_columns(root=roots).sort("root", "left", "right")
    last = ordered["root"] != ordered["root"].shift(-1)
    last_of_root = np.flatnonzero(last.fill_null(value=True).to_numpy())
    start = 0
    for end in (last_of_root + 1).tolist():
        if end - start >= _BLOCK or end == ordered.height:
            yield list(ordered[start:end].select("left", "right").iter_rows())
            start = end


def _link_block(
    pairs: list[tuple[int, int]],
    ids: pl.Series,
    standing: npt.NDArray[np.int64],
    texts: Texts,
    threshold: float,
    kept: npt.NDArray[np.intp],
    nearest: npt.NDArray[np.float64],
) -> None:
    """Compare the pairs exactly and write, per row, whom its cluster keeps and how similar they are."""
    rows = sorted({row for pair in pairs for row in pair})
    read = pl.DataFrame({"example_id": ids.gather(rows)}).join(
        texts(ids.gather(rows).to_list()), on="example_id", how="left", maintain_order="left"
    )
    shingles = shingles_of(read)
    parts: dict[int, list[Hashes]] = {
        row: [np.unique(part.row(at)) for part in shingles] for at, row in enumerate(rows)
    }
    groups = Groups(len(rows))
    position = {row: at for at, row in enumerate(rows)}
    for left, right in pairs:
        if similarity(parts[left], parts[right]) >= threshold:
            groups.link(position[left], position[right])
    best: dict[int, int] = {}
    for row in sorted(rows, key=lambda row: standing[row]):
        best.setdefault(groups.root(position[row]), row)
    for row in rows:
        kept[row] = best[groups.root(position[row])]
        nearest[row] = similarity(parts[row], parts[kept[row]])


class Groups:
    """Disjoint sets of numbers below `count` (union-find with path halving; the smaller root wins)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, item: int) -> int:
        """The smallest member of an item's set."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def link(self, a: int, b: int) -> None:
        """Make one set of the sets of two items."""
        a, b = self.root(a), self.root(b)
        self._parent[max(a, b)] = min(a, b)


def _one_per_cluster(light: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Kept rows with what is known of their clusters, and refusals of the others; rows come best first."""
    chance = pl.col("inclusion_probability") if "inclusion_probability" in light.columns else pl.lit(1.0)
    request = pl.col("request_ids").list.first()
    weights = (
        light.select("cluster_id", request=request, weight=1.0 / chance)
        .unique(["cluster_id", "request"], keep="first", maintain_order=True)
        .group_by("cluster_id")
        .agg(design_weight=pl.col("weight").sort().sum())
    )
    about = light.group_by("cluster_id").agg(
        cluster_size=pl.len().cast(pl.Int32),
        cluster_request_ids=pl.col("request_ids")
        .list.explode(keep_nulls=False, empty_as_null=False)
        .unique()
        .sort(),
    )
    first = pl.col("example_id").is_first_distinct()
    same = pl.col("example_id") == pl.col("cluster_id")
    marked = light.with_columns(_first=first, _kept=first & same)
    kept = (
        marked.filter("_kept")
        .join(about, on="cluster_id", how="left", maintain_order="left")
        .join(weights, on="cluster_id", how="left", maintain_order="left")
        .drop("_first", "_kept", "similarity")
        .sort("example_id")
    )
    copy = same | ~pl.col("_first")
    refused = refusals(
        "dedupe",
        marked.filter(~pl.col("_kept")),
        reason=pl.when(copy).then(pl.lit("duplicate")).otherwise(pl.lit("near_duplicate")),
        kind=pl.col("kind"),
        detail=pl.when(same)
        .then(pl.format("same content as example {}", "example_id"))
        .otherwise(pl.format("similarity {} with example {}", pl.col("similarity").round(3), "cluster_id")),
    )
    return kept, refused
