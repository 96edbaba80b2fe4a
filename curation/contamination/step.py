"""The gate as a step of the nightly build."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
import polars as pl

from curation.contamination.index import LAYERS, ContaminationIndex
from curation.contamination.sides import rows_of
from curation.steps import StepResult, quarantine_id, refusals

STAGE: Final = "contamination"
REASON: Final = "contaminated"
MAX_MATCHES: Final = 50
"""Matches kept as evidence of one row, the strongest first; more are counted."""

Check = Callable[[pl.DataFrame], pl.DataFrame]


def contamination_step(
    rows: pl.DataFrame,
    index: ContaminationIndex,
    released: Collection[str],
    *,
    hits: pl.DataFrame | None = None,
) -> StepResult:
    """Refuse rows that hold items of registered eval sets.

    `rows`: `request_ids` (or `request_id`), `date`, `prompt`, `chosen` and `rejected` (chat turns as JSON,
    null for a side that is not there), and `kind` unless they are interactions. `released`: quarantine ids
    that people let pass; a release of one request counts for every row made from it. `hits`: what
    `find_hits` found for these rows elsewhere (on other machines); without it they are checked here.
    """
    found = find_hits(rows, index) if hits is None else hits
    requests = _requests(rows)
    kept_hits = _unreleased(found, requests, frozenset(released))
    evidence = _evidence(kept_hits)
    marked = (
        rows.with_row_index("_row")
        .with_columns(pl.col("_row").cast(pl.Int64))
        .join(evidence, on="_row", how="left", maintain_order="left")
    )
    refused = marked.filter(pl.col("_matched").is_not_null())
    helpers = ["_row", "_matched", "_detail", "_evidence"]
    return StepResult(
        name=STAGE,
        kept=marked.filter(pl.col("_matched").is_null()).drop(helpers),
        refused=refusals(
            STAGE,
            refused,
            reason=REASON,
            kind=pl.col("kind") if "kind" in rows.columns else "interaction",
            detail=pl.col("_detail"),
            matched=pl.col("_matched"),
            evidence=pl.col("_evidence"),
        ),
        rows_in=rows.height,
    )


def find_hits(rows: pl.DataFrame, index: ContaminationIndex) -> pl.DataFrame:
    """Hits in rows, their key the number of the row; the part of the step that needs the texts."""
    numbered = rows.with_row_index("_row").with_columns(pl.col("_row").cast(pl.String))
    return index.check(rows_of(numbered, "_row"))


def _requests(rows: pl.DataFrame) -> list[list[str]]:
    if "request_ids" in rows.columns:
        return rows["request_ids"].to_list()
    return [[request] for request in rows["request_id"]]


def item_name(hit: dict[str, Any]) -> str:
    """The matched item: part of a refusal's id, so it does not name the version of the set."""
    return f"{hit['eval_set']}/{hit['item_id']}"


def _unreleased(
    hits: pl.DataFrame, requests: list[list[str]], released: frozenset[str]
) -> dict[int, list[dict[str, Any]]]:
    """Hits by row, strongest first, without those whose release covers them."""
    order = {layer: rank for rank, layer in enumerate(LAYERS)}
    by_row: dict[int, list[dict[str, Any]]] = {}
    for hit in hits.iter_rows(named=True):
        row = int(hit["key"])
        groups = [requests[row], *([request] for request in requests[row])]
        if released and any(
            quarantine_id(STAGE, REASON, group, item_name(hit)) in released for group in groups
        ):
            continue
        by_row.setdefault(row, []).append(hit)
    for found in by_row.values():
        found.sort(
            key=lambda hit: (
                not hit["severe"],
                order[hit["layer"]],
                -hit["score"],
                item_name(hit),
                hit["side"],
            )
        )
    return by_row


def _evidence(by_row: dict[int, list[dict[str, Any]]]) -> pl.DataFrame:
    """One row per refused row: what it matched first, in words and as JSON."""
    records = []
    for row, hits in by_row.items():
        first = hits[0]
        matches = [
            {
                "eval_set": hit["eval_set"],
                "eval_version": hit["eval_version"],
                "item_id": hit["item_id"],
                "field": hit["field"],
                "layer": hit["layer"],
                "score": round(hit["score"], 4),
                "severe": hit["severe"],
                "side": hit["side"],
                "start": hit["start"],
                "end": hit["end"],
            }
            for hit in hits[:MAX_MATCHES]
        ]
        content = {"matches": matches, "more": len(hits) - len(matches)}
        detail = f"{item_name(first)} in {first['side']}: {first['layer']} {first['score']:.2f}"
        records.append((row, item_name(first), detail, msgspec.json.encode(content).decode()))
    schema = {"_row": pl.Int64, "_matched": pl.String, "_detail": pl.String, "_evidence": pl.String}
    return pl.DataFrame(records, schema=schema, orient="row")
