"""Synthetic interactions and pairs for the tests of the report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from console.report import FunnelStep, ReportData, SamplePair
from contracts.tables import frame_schema, nullable_columns, validate
from curation.agreement.wilson import wilson
from curation.scoring import score

START = datetime(2026, 3, 2, tzinfo=UTC)
FEATURES = ("support_reply", "summarize", "code_assist", "email_draft", "search_answer")
SCORED = ("failure_score", "contributions", "disagreement", "failure_hint", "score_version")
ZERO: dict[Any, Any] = {
    pl.String: "x",
    pl.Boolean: False,
    pl.Int32: 0,
    pl.Int64: 0,
    pl.Float64: 0.0,
}


def interactions(
    n: int, *, seed: int = 1, days: float = 7, features: tuple[str, ...] = FEATURES, **constants: str | None
) -> pl.DataFrame:
    """`n` scored interactions; the second version of the first feature is a regression.

    `constants` set a column to one value for all rows.
    """
    schema = frame_schema("interactions")
    if n == 0:
        return pl.DataFrame(schema=schema)
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0, days, n))
    feature = rng.choice(len(features), n, p=_shares(len(features)))
    new = at > days * 0.55 + rng.normal(0, 0.05, n)
    bad = rng.random(n) < np.where(new & (feature == 0), 0.42, 0.07 + 0.03 * feature)
    seen = rng.random(n)

    def happens(if_bad: float, if_good: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return rng.random(n) < np.where(bad, if_bad, if_good)

    edit, again, accept, undo = happens(0.4, 0.05), happens(0.3, 0.02), happens(0.1, 0.3), happens(0.15, 0.01)
    copy, abandon, thumbs = happens(0.1, 0.3), happens(0.3, 0.15), seen < 0.012
    outcome = (feature % 2 == 0) & (rng.random(n) < 0.35)
    call = rng.choice(["ok", "error", "refusal", "truncated"], n, p=[0.97, 0.01, 0.01, 0.01])
    known: dict[str, Any] = {
        "request_id": [f"req-{i:08d}" for i in range(n)],
        "session_id": [f"ses-{i // 3:08d}" for i in range(n)],
        "occurred_at": pl.Series((at * 86_400e6).astype(np.int64)).cast(pl.Duration("us")) + START,
        "feature": [features[i] for i in feature],
        "actor": rng.choice(["user", "internal", "synthetic"], n, p=[0.95, 0.03, 0.02]),
        "split": rng.choice(["train", "held_out"], n, p=[0.95, 0.05]),
        "model_version": np.where(new, "atlas-2026-03", "atlas-2026-01"),
        "prompt_version": np.where(new & (feature == 0), "v8", "v7"),
        "finish_class": call,
        "has_thumbs": thumbs,
        "thumbs": _where(thumbs, np.where(bad, -1.0, 1.0)),
        "has_edit": edit,
        "edit_ratio": _where(edit, np.where(bad, rng.uniform(0.1, 0.6, n), rng.uniform(0, 0.1, n))),
        "edit_class": pl.Series(np.where(edit, np.where(bad, "corrective", "cosmetic"), "")).replace(
            "", None
        ),
        "has_regenerate": again,
        "regenerate_count": again.astype(np.int32),
        "has_undo": undo,
        "undo_count": undo.astype(np.int32),
        "has_copy": copy,
        "copy_count": copy.astype(np.int32),
        "has_accept": accept,
        "accept_count": accept.astype(np.int32),
        "has_rephrase": np.ones(n, dtype=bool),
        "rephrase_similarity": np.where(happens(0.25, 0.03), rng.uniform(0.75, 1, n), rng.uniform(0, 0.4, n)),
        "has_abandon": np.ones(n, dtype=bool),
        "abandoned": abandon & ~accept & ~copy,
        "has_outcome": outcome,
        "outcome_success": _where(outcome, np.where(rng.random(n) < np.where(bad, 0.85, 0.1), 0.0, 1.0)),
        "outcome_count": outcome.astype(np.int32),
        "revision": np.ones(n, dtype=np.int32),
    }
    known["date"] = known["occurred_at"].dt.date()
    known["evidence_until"] = known["settled_at"] = known["occurred_at"]
    columns = []
    for name, dtype in schema.items():
        if name in SCORED:
            continue
        value = constants[name] if name in constants else known.get(name)
        value = _default(name, dtype) if value is None else value
        values = value if name in known and name not in constants else [value] * n
        columns.append(pl.Series(name, values, dtype=dtype, strict=False))
    return validate("interactions", score(pl.DataFrame(columns)).select(schema.names()))


def _shares(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    weights = 1.0 / (1.0 + 0.35 * np.arange(n))
    return np.asarray(weights / weights.sum())


def _where(present: Any, values: Any) -> list[float | None]:
    return [float(v) if p else None for p, v in zip(present, values, strict=True)]


def _default(name: str, dtype: pl.DataType) -> Any:
    if name in nullable_columns("interactions"):
        return None
    return [] if isinstance(dtype, pl.List) else ZERO[dtype.base_type()]


def pair(**changes: Any) -> SamplePair:
    """A pair from a user edit; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "prompt": [
            {
                "role": "system",
                "content": "You answer for the support desk of a tea shop. Be brief and exact.",
            },
            {"role": "user", "content": "My order of 3 March has not arrived. Can I still cancel it?"},
        ],
        "rejected": "You can cancel an order within 30 days. Yours was shipped on 4 March, so please press "
        "the cancel button in your account; the refund arrives the same day.",
        "chosen": "You can cancel an order until it is shipped. Yours was shipped on 4 March, so please "
        "refuse the parcel or send it back; the refund arrives within five working days.",
        "pair_source": "user_edit",
        "feature": "support_reply",
        "failure_score": 0.92,
        "contributions": [("edit", 2.4), ("undo", 2.0), ("copy", -1.0), ("outcome", 0.78)],
        "request_ids": ["req-00000042"],
        "verdict": "fail: factual, severity 4 (rules)",
    }
    return SamplePair(**{**fields, **changes})


def lengths(pairs: int, *, longer: int, shorter: int) -> dict[str, Any]:
    """The length bias of so many pairs, as a manifest has it."""
    decided = longer + shorter
    low, high = wilson(longer, decided)
    return {
        "pairs": pairs,
        "chosen_longer": longer,
        "chosen_shorter": shorter,
        "equal": pairs - decided,
        "longer_share": longer / decided if decided else None,
        "low": low if decided else None,
        "high": high if decided else None,
        "mean_log_ratio": 0.12,
        "median_log_ratio": 0.08,
    }


def report_data(n: int = 5_000, **changes: Any) -> ReportData:
    """A report as after a demo run; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "title": "Tailrace demo",
        "generated_for": "2026-03-09 00:00 UTC",
        "interactions": interactions(n),
        "accounting": {
            "consumed": 14_210,
            "joined": 13_402,
            "pending": 0,
            "duplicate": 412,
            "late": 287,
            "orphan": 31,
            "dead_letter": 78,
        },
        "funnel": [
            FunnelStep(
                "eligible",
                n,
                int(n * 0.83),
                {"actor": n // 20, "consent_denied": n // 12, "held_out": n // 27},
            ),
            FunnelStep("select", int(n * 0.83), 731, {"low_score": int(n * 0.83) - 731}),
            FunnelStep("judge", 731, 640, {"judge_disagrees": 61, "judge_unsure": 30}),
            FunnelStep("pair", 640, 512, {"no_counterpart": 97, "edit_too_small": 22, "identical": 9}),
        ],
        "pairs": [
            pair(),
            pair(
                feature="code_assist",
                pair_source="regenerate_accept",
                prompt=[
                    {"role": "user", "content": "Write a function that removes duplicates from a list."},
                    {"role": "assistant", "content": "def unique(xs):\n    return list(set(xs))"},
                    {"role": "user", "content": "It must keep the order."},
                    {"role": "assistant", "content": "Understood: the first of each stays where it was."},
                    {"role": "user", "content": "Then show me the code, please."},
                ],
                rejected="def unique(xs):\n    return sorted(set(xs))",
                chosen="def unique(xs):\n    return list(dict.fromkeys(xs))",
                contributions=[("regenerate", 2.2), ("abandoned", 0.6)],
                failure_score=0.74,
                request_ids=["req-00000107", "req-00000108"],
                verdict=None,
            ),
        ],
        "manifest": {
            "drop_id": "2026-03-09-5f1c2ab9",
            "channel": "default",
            "as_of": "2026-03-09T00:00:00Z",
            "judge": {"judge": "rules", "epoch": "a1b2c3d4e5f60718"},
            "score_version": "priors-1a2b3c4d",
            "counts": {"preference_rows": 318, "unpaired_rows": 194},
            "splits": {
                "train": {"preference": 301, "unpaired": 184},
                "validation": {"preference": 17, "unpaired": 10},
            },
            "length_bias": {
                "unit": "characters",
                "limit": None,
                "all": lengths(318, longer=190, shorter=120),
                "pair_sources": {
                    "user_edit": lengths(200, longer=120, shorter=78),
                    "regenerate_accept": lengths(118, longer=70, shorter=42),
                },
                "features": {
                    "support_reply": lengths(300, longer=180, shorter=105),
                    "code_assist": lengths(16, longer=10, shorter=6),
                    "search_answer": lengths(2, longer=0, shorter=0),
                },
            },
            "files": [
                {"name": "preference/train.parquet", "rows": 318, "bytes": 182_244, "sha256": "ab" * 32},
                {"name": "unpaired/train.parquet", "rows": 194, "bytes": 90_112, "sha256": "cd" * 32},
            ],
        },
        "ranking_auc": 0.913,
        "dead_letter_reasons": {"malformed_json": 41, "schema": 22, "time_range": 11, "invalid_utf8": 4},
    }
    return ReportData(**{**fields, **changes})
