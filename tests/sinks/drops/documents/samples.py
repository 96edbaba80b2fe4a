"""Rows and manifests for the tests of a drop's documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl

SAID = "SAID-BY-A-USER"
"""In every text of the rows, and so nowhere in a document."""

HOSTILE = "<script>x</script> | `code` **x** [y](z)\n# h"
"""A name that an application may have chosen."""


def turns(*said: tuple[str, str]) -> str:
    return json.dumps([{"role": role, "content": content} for role, content in said])


def row(name: str, **fields: Any) -> dict[str, Any]:
    """A preference pair for training; `fields` replace what it says."""
    return {
        "example_id": name,
        "kind": "preference",
        "label": None,
        "split": "train",
        "prompt": turns(("user", f"{SAID} {name}?")),
        "chosen": turns(("assistant", f"{SAID} good {name}")),
        "rejected": turns(("assistant", f"{SAID} bad {name}")),
        "tools": None,
        "margin": None,
        "pair_source": "user_edit",
        "source_type": "user_correction",
        "request_ids": [f"r-{name}"],
        "evidence_ids": [f"e-{name}"],
        "occurred_at": datetime(2026, 3, 2, 10, tzinfo=UTC),
        "feature": "sql_help",
        "failure_score": 0.93,
        "slice": "failure",
        "model": "model-1",
        "license": "CC-BY-4.0",
        "safety": False,
        "self_approved": False,
        "novelty": 1.0,
        "verdict_source": "judge",
        **fields,
    }


def one_sided(name: str, good: bool, **fields: Any) -> dict[str, Any]:
    side = {"rejected": None} if good else {"chosen": None}
    made = {"kind": "unpaired", "label": good, "pair_source": "one_sided", **side}
    return row(name, **{**made, "source_type": "production_log", **fields})


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows as `stage` takes them, typed even where there are none."""
    types = {"label": pl.Boolean, "tools": pl.String, "margin": pl.Float64}
    return pl.DataFrame([row("x"), *rows], schema_overrides=types)[1:].sort("example_id")


ROWS = frame(
    row("a"),
    row("b", feature=HOSTILE, source_type="synthetic", pair_source="judge_rewrite"),
    row("c", split="validation", novelty=0.2),
    one_sided("d", True),
    one_sided("e", False, failure_score=0.6),
    one_sided("f", False, split="validation", verdict_source="human"),
)


def content(**changes: Any) -> dict[str, Any]:
    """What a manifest says besides its files; `changes` replace blocks."""
    return {
        "drop_id": "20260302-abcdef012345",
        "channel": "default",
        "as_of": "2026-03-02T23:59:59.123000Z",
        "code_version": "0.1.0",
        "config": {
            "purpose": "training",
            "actors": ["user"],
            "unknown_consent": "refuse",
            "licenses": ["CC-BY-4.0"],
            "unknown_license": "refuse",
            "regions": None,
        },
        "config_hash": "b" * 64,
        "counts": {"preference": 3, "unpaired": 3, "quarantined": 7},
        "kto": {"desirable_weight": 2.0, "undesirable_weight": 1.0},
        "inputs": {"requests": 4, "signals": 2},
        "transforms": ["normalize@1"],
        "judge": {"judge": HOSTILE, "kind": "openai", "model": "judge-1", "epoch": "e1"},
        "authority": {
            "trust": [{"epoch": "e1", "judge": "one", "alone": False, "reason": "uncalibrated"}],
            "gold": {"labels": 12},
        },
        "contamination": {
            "gsm8k": {"version": 2, "items_total": 1319, "items_hit": 3, "rows_checked": 400, "rows_hit": 3}
        },
        "redaction": {"version": "redact@1", "rows_read": 9, "rows_redacted": 2, "spans": {"email": 2}},
        "splits": {"together": "rows of a user, else of a conversation", "validation_share": 0.05},
        "funnel": [
            {"step": "eligible", "in": 13, "out": 8, "refused": {"no_consent": 4, HOSTILE: 1}},
            {"step": "pairs", "in": 8, "out": 6, "refused": {"edit_cosmetic": 2}},
        ],
        **changes,
    }
