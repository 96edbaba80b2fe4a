"""Light rows: what the join needs of an event and nothing more.

Windows hold these; the same shapes are read back from the lake by `settle`. Texts are cut to the
lengths below: they are only compared, never stored.
"""

from __future__ import annotations

from typing import Final

import polars as pl

PROMPT_CHARS: Final = 2_048
"""Characters of the last user turn kept for rephrase similarity."""

RESPONSE_CHARS: Final = 16_384
"""Characters of the response kept for the edit ratio; bounds the quadratic edit distance."""

TIME: Final = pl.Datetime("us", "UTC")

REQUEST_CONTEXT: Final = (
    "request_id",
    "session_id",
    "user_key",
    "occurred_at",
    "date",
    "feature",
    "actor",
    "split",
    "provider",
    "model",
    "model_version",
    "prompt_name",
    "prompt_version",
    "fingerprint",
    "route",
    "experiment",
    "variant",
    "deployment_target",
    "region",
    "latency_ms",
    "cost_usd",
    "input_tokens",
    "output_tokens",
    "finish_reason",
    "error_type",
    "partition",
    "offset",
)
"""Columns of a request that its interaction repeats unchanged."""

REQUEST_COLUMNS: Final = (*REQUEST_CONTEXT, "ending", "prompt_text", "response_text")
"""A light request: its context, how its response ends (`finishes.ENDINGS`), and the two texts that features
compare."""

SIGNAL_COLUMNS: Final = (
    "event_id",
    "session_id",
    "request_id",
    "occurred_at",
    "kind",
    "value",
    "text",
    "partition",
    "offset",
)
"""A light signal; `text` only matters for edits."""

OUTCOME_COLUMNS: Final = (
    "event_id",
    "session_id",
    "request_id",
    "occurred_at",
    "kind",
    "success",
    "supersedes",
    "partition",
    "offset",
)
"""A light outcome."""
