"""Drops built with an LLM judge that answers from the test server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from pydantic import SecretStr

from contracts.settings import CurationSettings, JudgeSettings, Settings
from curation.judge.bench import Bench
from curation.nightly import DropResult, make_drop
from sinks.drops.manifest import read_manifest
from sinks.lake import Lake
from tests.curation.dialogues import RIGHT, Events, asked, did
from tests.curation.judge.server import GOOD, FakeServer
from tests.drop_files import read_rows

NOW_US = 1_900_000_000_000_000
FAILED = {**GOOD, "improved_response": RIGHT}


def failed(name: str, **fields: Any) -> Events:
    """A request that failed in the eyes of its user, who did nothing about it."""
    return asked(name, **fields) + did(name, "thumbs", value=-1) + did(name, "report", seconds=12)


def judged_settings(
    home: Path, server: FakeServer, *, curation: dict[str, Any] | None = None, **judge: Any
) -> Settings:
    """Settings of a home whose judge is the test server."""
    return Settings(
        home=home,
        curation=CurationSettings(**{"control_share": 0.0} | (curation or {})),
        judge=JudgeSettings(
            **{
                "kind": "openai",
                "base_url": server.base_url,
                "api_key": SecretStr("k"),
                "model": "judge-1",
                "max_retries": 0,
                "alone": "always",
            }
            | judge
        ),
    )


def judged_drop(lake: Lake, settings: Settings) -> DropResult:
    """Build the drop."""
    bench = Bench.from_settings(settings)
    return make_drop(lake, settings.drops_root, settings, bench, now_us=NOW_US)


def examples(lake: Lake, result: DropResult) -> list[dict[str, Any]]:
    """Rows of `examples` of a drop."""
    return lake.scan("examples").filter(pl.col("drop_id") == result.drop_id).collect().to_dicts()


def published_pairs(result: DropResult) -> list[dict[str, Any]]:
    """The pairs in the drop's file."""
    return read_rows(result.folder, "preference").to_dicts()


def reasons(lake: Lake, result: DropResult) -> dict[tuple[str, str], str]:
    """(request, step) → reason of everything refused."""
    rows = lake.scan("quarantine").filter(pl.col("drop_id") == result.drop_id).collect()
    return {(r["request_ids"][0], r["stage"]): r["reason"] for r in rows.iter_rows(named=True)}


def manifest(result: DropResult) -> dict[str, Any]:
    """The manifest of a drop."""
    found: dict[str, Any] = read_manifest(result.folder)
    return found
