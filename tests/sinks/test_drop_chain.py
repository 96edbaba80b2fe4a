"""The registry's hash chain: untouched it holds; any change, removal, insertion or swap shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from contracts.tables import frame_schema
from sinks.drops.chain import HASHED, broken_links, linked
from tests.factories import table_rows

START = datetime(2026, 3, 1, tzinfo=UTC)


def chained(rows: int) -> pl.DataFrame:
    registry = pl.DataFrame(schema=frame_schema("drops"))
    for n in range(rows):
        plain = table_rows(
            "drops", [{"drop_id": f"d{n}", "published_at": START + timedelta(days=n), "sequence": None}]
        )
        row = linked(plain.row(0, named=True), registry)
        registry = pl.concat([registry, pl.DataFrame([row], schema=frame_schema("drops"))])
    return registry


def test_an_untouched_registry_holds() -> None:
    registry = chained(5)
    assert broken_links(registry) == []
    assert broken_links(registry.reverse()) == []
    assert registry["sequence"].to_list() == [1, 2, 3, 4, 5]


@given(st.integers(0, 4), st.sampled_from(HASHED))
def test_a_changed_row_shows(n: int, name: str) -> None:
    registry = chained(5)
    old = registry[name][n]
    new: Any = (
        old + timedelta(microseconds=1)
        if isinstance(old, datetime)
        else old + (1 if isinstance(old, int) else "x")
    )
    changed = registry.with_columns(
        pl.when(pl.int_range(pl.len()) == n)
        .then(pl.lit(new, dtype=registry.schema[name]))
        .otherwise(name)
        .alias(name)
    )
    assert any("was changed" in problem for problem in broken_links(changed))


@given(st.integers(0, 3))
def test_a_removed_row_shows_unless_it_was_the_newest(n: int) -> None:
    registry = chained(5)
    assert broken_links(registry.filter(pl.int_range(pl.len()) != n)) != []
    assert broken_links(registry.head(4)) == []


def test_a_row_slipped_in_shows() -> None:
    registry = chained(3)
    forged = registry.tail(1).with_columns(drop_id=pl.lit("forged"))
    assert broken_links(pl.concat([registry, forged])) != []
    unchained = forged.with_columns(sequence=pl.lit(None, dtype=pl.Int64))
    assert any("came after it began" in p for p in broken_links(pl.concat([registry, unchained])))


def test_rows_from_before_the_chain_are_left_alone() -> None:
    old = chained(1).with_columns(
        pl.lit(None, dtype=pl.Int64).alias("sequence"),
        pl.lit(None, dtype=pl.String).alias("row_sha256"),
        published_at=pl.lit(START - timedelta(days=9)).cast(frame_schema("drops")["published_at"]),
    )
    assert broken_links(pl.concat([old, chained(2)])) == []
