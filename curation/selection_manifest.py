"""What a drop's manifest says of how its rows were chosen: enough to weigh them, and to choose them again."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from contracts.settings import CurationSettings
from curation.self_approval import model_family

FORMULA: Final = (
    "(max(failure_score, 0.05) * (1 + disagreement) / 2 * (0.1 + 0.9 * novelty)) ** rank_sharpness"
)
MEANING: Final = (
    "chance of the row's failing request to be selected among eligible requests, given all other draws; "
    "sums weighted by 1 / inclusion_probability are unbiased for the requests of the slice. design_weight is "
    "that summed over the near duplicates the row was kept for. Both are columns of provenance.parquet"
)


def selection_manifest(rows: pl.DataFrame, settings: CurationSettings) -> dict[str, Any]:
    """The manifest's block `selection`.

    rows: final rows of a drop with slice, safety, inclusion_probability, design_weight, cluster_size,
    self_approved. Slices: rows, smallest and mean inclusion probability, and the eligible requests they stand
    for (`weight`).
    """
    slices = (
        rows.group_by("slice")
        .agg(
            rows=pl.len(),
            smallest=pl.col("inclusion_probability").min(),
            mean=pl.col("inclusion_probability").sort().mean().round(6),
            weight=pl.col("design_weight").sort().sum().round(3),
        )
        .sort("slice")
    )
    return {
        "seed": settings.seed,
        "rank_weight": FORMULA,
        "inclusion_probability": MEANING,
        "slices": {row.pop("slice"): row for row in slices.iter_rows(named=True)},
        "shares": {
            "control": settings.control_share,
            "safety": settings.safety_share,
            "replay": settings.replay_share,
        },
        "caps": {
            "user": settings.max_per_user,
            "fingerprint": settings.max_per_fingerprint,
            "segment": settings.max_per_segment,
            "segment_columns": ["feature", *settings.segment_columns],
            "feature": settings.max_per_feature,
        },
        "rank_sharpness": settings.rank_sharpness,
        "safety_rows": int(rows["safety"].sum()),
        "clusters": {
            "near_duplicate": settings.near_duplicate,
            "rows_with_duplicates": int((rows["cluster_size"] > 1).sum()),
            "largest": int(rows["cluster_size"].max() or 0),  # type: ignore[arg-type]
        },
        "self_approval": {
            "target_family": model_family(settings.target_family),
            "share_allowed": settings.self_approval_share,
            "rows": int(rows["self_approved"].sum()),
        },
    }
