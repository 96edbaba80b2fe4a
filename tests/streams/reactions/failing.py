"""Failures as they come from their topic, with their requests in the lake."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from contracts.messages import encode_messages, text_message
from sinks.lake import Lake
from sinks.transactions import append_once
from tests.factories import table_rows


def stored_failures(lake: Lake, answers: Mapping[str, str]) -> dict[str, bytes]:
    """Failures with these answers (request id → text) and their values on `tailrace.failures`."""
    asked = encode_messages([text_message("user", "where is my order, I am jo@example.com")])
    terms = {"input_messages": asked, "consent_scopes": ["training"], "split": "train", "actor": "user"}
    rows = [
        {
            "request_id": name,
            "offset": n,
            "output_messages": encode_messages([text_message("assistant", text)]),
            **terms,
        }
        for n, (name, text) in enumerate(answers.items())
    ]
    append_once(lake, "requests", table_rows("requests", rows), batch_id="/".join(answers))
    same = {"split": "train", "actor": "user", "failure_score": 0.9}
    made = table_rows("interactions", [{k: row[k] for k in ("request_id", "offset")} | same for row in rows])
    values = made.select(pl.exclude("^has_.*$")).write_ndjson().encode().splitlines()
    return dict(zip(answers, values, strict=True))
