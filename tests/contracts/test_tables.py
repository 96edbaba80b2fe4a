"""The lake's tables: documented to the last column, and strict."""

from __future__ import annotations

import polars as pl
import pytest

from contracts.errors import TableInvalid
from contracts.tables import TABLES, frame_schema, is_partitioned, nullable_columns, validate, validator
from tests.factories import START, table_rows

DESIGN = (
    "requests signals outcomes consents dead_letters interactions judgments annotations gold_labels "
    "examples example_sketches preferences quarantine drops nightly_runs models erasures lineage "
    "eval_sets eval_items releases drop_marks erased_ids legal_holds pushes announcements "
    "judge_epochs calibrations annotation_tasks judge_anchors judge_anchor_runs unjudged"
)


def test_every_table_of_the_design_is_there() -> None:
    assert set(TABLES) == set(DESIGN.split())


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_and_column_is_described(name: str) -> None:
    assert (TABLES[name].__doc__ or "").strip()
    bare = [c for c, spec in validator(name).columns.items() if not (spec.description or "").strip()]
    assert bare == []


@pytest.mark.parametrize("name", sorted(TABLES))
def test_plain_rows_are_accepted_unchanged(name: str) -> None:
    rows = table_rows(name, [{}, {}])
    assert validate(name, rows) is rows


@pytest.mark.parametrize("name", sorted(TABLES))
def test_missing_extra_mistyped_reordered_and_null_columns_are_refused(name: str) -> None:
    rows = table_rows(name, [{}])
    first = rows.columns[0]
    required = next(c for c in rows.columns if c not in nullable_columns(name))
    broken = [
        rows.drop(first),
        rows.with_columns(extra=1),
        rows.with_columns(pl.lit([1]).alias(first)),
        rows.select(reversed(rows.columns)),
        rows.with_columns(pl.lit(None, dtype=rows.schema[required]).alias(required)),
    ]
    for frame in broken:
        with pytest.raises(TableInvalid, match=name):
            validate(name, frame)


def test_refusals_do_not_leak_values() -> None:
    bad = table_rows("interactions", [{"finish_class": "SECRET", "session_id": "SECRET"}])
    with pytest.raises(TableInvalid, match="finish_class") as caught:
        validate("interactions", bad)
    assert "SECRET" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("column", "value"),
    [("failure_score", 1.5), ("revision", 0), ("edit_ratio", -0.1), ("offset", -1), ("thumbs", 2.0)],
)
def test_values_out_of_range_are_refused(column: str, value: float) -> None:
    with pytest.raises(TableInvalid, match=column):
        validate("interactions", table_rows("interactions", [{column: value}]))


def test_text_lives_where_the_design_says() -> None:
    holders = {
        name
        for name in TABLES
        if {"input_messages", "output_messages", "prompt", "chosen", "rejected"} & set(frame_schema(name))
    }
    assert holders == {"requests", "preferences", "judge_anchors"}


def test_event_time_partitions_the_big_tables() -> None:
    for name in ("requests", "signals", "outcomes", "interactions", "dead_letters"):
        assert is_partitioned(name)
    assert table_rows("requests", [{}])["date"].to_list() == [START.date()]
