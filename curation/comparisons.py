"""From final preference rows to comparisons a judge can make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import polars as pl

from contracts.events import Message
from curation.judge.pairwise import Candidate, Comparison


def comparisons_of(rows: pl.DataFrame) -> list[Comparison]:
    """One comparison per preference row, in order: a is the chosen side, b the rejected one.

    rows: `rejected_request_id`, `chosen_request_id`, `pair_source`, `chosen_model`, `model`, `tools` (JSON),
    and `prompt`, `chosen` and `rejected` (JSON turns) as they will be published.
    """
    return [_comparison(row) for row in rows.iter_rows(named=True)]


def _comparison(row: Mapping[str, Any]) -> Comparison:
    request = row["rejected_request_id"]
    who = "judge" if row["pair_source"] == "judge_rewrite" else "user"
    return Comparison(
        request_id=request,
        prompt=turn_messages(row["prompt"]),
        a=Candidate(
            messages=turn_messages(row["chosen"]),
            author=row["chosen_request_id"] or f"{who}:{request}",
            model=row["chosen_model"],
        ),
        b=Candidate(messages=turn_messages(row["rejected"]), author=request, model=row["model"]),
        tools=None if row["tools"] is None else msgspec.json.decode(row["tools"]),
    )


def turn_messages(turns: str) -> list[Message]:
    """Messages from chat turns (JSON); what is no text, such as tool calls, becomes parts of its own."""
    return [_message(turn) for turn in msgspec.json.decode(turns, type=list[dict[str, Any]])]


def _message(turn: Mapping[str, Any]) -> Message:
    parts: list[dict[str, Any]] = []
    content = turn.get("content")
    answered = turn.get("tool_call_id")
    if answered is not None:
        parts.append({"type": "tool_call_response", "id": answered, "response": content})
    elif isinstance(content, str):
        parts.append({"type": "text", "content": content})
    parts += [{**call, "type": "tool_call"} for call in turn.get("tool_calls") or ()]
    return Message(role=str(turn["role"]), parts=parts)
