from __future__ import annotations

import msgspec
import polars as pl
import pytest

from contracts.settings import CurationSettings
from curation.selection_manifest import selection_manifest
from tests.curation.final_rows import final_row, final_rows


def test_the_manifest_says_how_to_weigh_the_rows() -> None:
    rows = final_rows(
        [
            final_row("a", safety=True),
            final_row("b", inclusion_probability=0.5),
            final_row("c", slice="control", inclusion_probability=0.02),
        ]
    ).with_columns(
        design_weight=1.0 / pl.col("inclusion_probability"),
        cluster_size=pl.Series([3, 1, 1], dtype=pl.Int32),
        self_approved=pl.Series([True, False, False]),
    )
    block = selection_manifest(rows, CurationSettings(target_family="Qwen/Qwen3-8B"))
    assert block["slices"] == {
        "control": {"rows": 1, "smallest": 0.02, "mean": 0.02, "weight": 50.0},
        "failure": {"rows": 2, "smallest": 0.5, "mean": 0.75, "weight": 3.0},
    }
    assert block["safety_rows"] == 1
    assert block["clusters"] == {"near_duplicate": 0.8, "rows_with_duplicates": 1, "largest": 3}
    assert block["self_approval"] == {"target_family": "qwen", "share_allowed": 0.25, "rows": 1}
    assert block["shares"]["control"] == pytest.approx(0.02)
    assert msgspec.json.decode(msgspec.json.encode(block)) == block


def test_an_empty_drop_has_the_block_too() -> None:
    rows = final_rows([]).with_columns(
        design_weight=pl.lit(1.0), cluster_size=pl.lit(1, pl.Int32), self_approved=pl.lit(value=False)
    )
    block = selection_manifest(rows.clear(), CurationSettings())
    assert block["slices"] == {}
    assert block["clusters"]["largest"] == 0
