"""Light candidates and final rows for tests of selection and deduplication."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
import numpy as np
import polars as pl

DAY = date(2026, 1, 1)


def light_rows(count: int, seed: int = 1, **columns: Any) -> pl.DataFrame:
    """Eligible candidates of a few users, features and fingerprints, without texts."""
    dice = np.random.default_rng(seed)
    made = {
        "request_id": [f"r{n}" for n in range(count)],
        "session_id": [f"s{n // 3}" for n in range(count)],
        "user_key": [f"u{n}" for n in dice.integers(0, max(count // 8, 1), count)],
        "feature": dice.choice(["answer", "search"], count).tolist(),
        "fingerprint": dice.choice(["f1", "f2", "f3"], count).tolist(),
        "region": dice.choice(["eu", "us"], count).tolist(),
        "failure_score": dice.random(count).round(6),
        "disagreement": dice.random(count).round(6),
        "novelty": dice.random(count).round(6),
        "finish_class": dice.choice(["ok", "refusal"], count, p=[0.9, 0.1]).tolist(),
        "report_count": np.zeros(count, dtype=np.int32),
        "in_earlier_drop": dice.random(count) < 0.3,
        "date": [DAY] * count,
        **columns,
    }
    return pl.DataFrame(made, schema_overrides={"failure_score": pl.Float64})


def turns(*said: tuple[str, str]) -> str:
    """JSON turns from (role, content) pairs."""
    return msgspec.json.encode([{"role": role, "content": content} for role, content in said]).decode()


def final_row(
    name: str,
    prompt: str = "what is it",
    chosen: str | None = "a good answer",
    rejected: str | None = "a bad answer",
    **fields: Any,
) -> dict[str, Any]:
    """One final row; the request is called after it."""
    return {
        "kind": "preference",
        "pair_source": "user_edit",
        "request_ids": [name],
        "evidence_ids": [f"e-{name}"],
        "user_key": f"user-{name}",
        "failure_score": 0.9,
        "slice": "failure",
        "safety": False,
        "inclusion_probability": 1.0,
        "date": DAY,
        "prompt": turns(("user", prompt)),
        "chosen": None if chosen is None else turns(("assistant", chosen)),
        "rejected": None if rejected is None else turns(("assistant", rejected)),
        "chosen_model": None,
        "chosen_base_model": None,
        **fields,
    }


def final_rows(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """A frame of final rows; well-typed when there are none."""
    schema = pl.DataFrame([final_row("x", chosen_model="m", chosen_base_model="b")]).schema
    return pl.DataFrame(list(rows), schema=schema)
