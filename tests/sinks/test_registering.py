"""Registering drops from several machines: one per scheduled moment, and one chain."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contracts.errors import Overtaken
from sinks.drops.chain import broken_links
from sinks.drops.manifest import read_manifest, write_manifest
from sinks.drops.publish import publish, published_for
from sinks.drops.staging import STAGING
from sinks.lake import Lake
from tests.factories import table_rows

NIGHT = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.create()
    return lake


def put(
    lake: Lake, machine: Path, drop_id: str, night: datetime | None = None, channel: str = "default"
) -> Path:
    """Publish an empty drop from a machine (a drops folder of its own)."""
    made: dict[str, Any] = (
        table_rows("drops", [{}]).drop("sequence", "previous_sha256", "row_sha256").to_dicts()[0]
    )
    row = {**made, "drop_id": drop_id, "channel": channel, "scheduled_for": night}
    staged = machine / f"{STAGING}{drop_id}"
    staged.mkdir(parents=True)
    write_manifest(staged, {"drop_id": drop_id}, {})
    return publish(lake, machine, staged, row, {})


def registry(lake: Lake) -> pl.DataFrame:
    return lake.scan("drops").sort("sequence").collect()


def test_drops_registered_at_once_from_several_machines_are_one_chain(lake: Lake, tmp_path: Path) -> None:
    start = threading.Barrier(4)

    def build(n: int) -> None:
        start.wait(20)
        for m in range(3):
            put(Lake(lake.root), tmp_path / f"machine{n}", f"drop-{n}-{m}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(build, range(4)))
    chained = registry(lake)
    assert chained["sequence"].to_list() == list(range(1, 13))
    assert broken_links(chained) == []


def test_a_moment_has_one_drop_and_the_loser_leaves_nothing(lake: Lake, tmp_path: Path) -> None:
    first = put(lake, tmp_path / "one", "drop-a", NIGHT)
    assert read_manifest(first)["drop_id"] == "drop-a"
    with pytest.raises(Overtaken):
        put(lake, tmp_path / "two", "drop-b", NIGHT)
    assert registry(lake)["drop_id"].to_list() == ["drop-a"]
    assert not (tmp_path / "two" / "drop-b").exists()
    row = published_for(lake, "default", NIGHT)
    assert row is not None
    assert row["drop_id"] == "drop-a"


def test_no_drop_comes_after_that_of_a_later_moment(lake: Lake, tmp_path: Path) -> None:
    put(lake, tmp_path, "drop-b", NIGHT + timedelta(days=1))
    with pytest.raises(Overtaken):
        put(lake, tmp_path, "drop-a", NIGHT)
    put(lake, tmp_path, "drop-c", NIGHT, channel="other")
    put(lake, tmp_path, "drop-by-hand")
    assert registry(lake)["drop_id"].to_list() == ["drop-b", "drop-c", "drop-by-hand"]


def test_publishing_a_nights_drop_again_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    for _ in range(2):
        put(lake, tmp_path, "drop-a", NIGHT)
    assert registry(lake)["drop_id"].to_list() == ["drop-a"]
    assert published_for(lake, "default", NIGHT + timedelta(days=1)) is None
