"""Redaction as a step of the nightly build."""

from __future__ import annotations

from typing import Final, NamedTuple

import polars as pl

from contracts.settings import PrivacySettings
from curation.redaction.frame import Cells, RedactedFrames, redact_frames
from curation.redaction.redactor import Redactor
from curation.steps import REFUSAL_SCHEMA, StepResult

_ROW_COLUMNS: Final = {"input_messages": "messages", "output_messages": "messages", "tools": "json"}
_TURNS: Final = {"prompt": "json", "chosen": "json", "rejected": "json"}


class Redaction(NamedTuple):
    """Candidate rows (`result.kept`) and their users' edits without personal data."""

    result: StepResult
    edits: pl.DataFrame


def make_redactor(privacy: PrivacySettings) -> Redactor | None:
    """The redactor of a build, or None when redaction is off.

    With `redact_at = ingress` too: rows stored before it was set still hold everything.
    """
    return None if privacy.redact_at == "off" else Redactor(privacy.redact)


def redact(rows: pl.DataFrame, edits: pl.DataFrame, redactor: Redactor) -> Redaction:
    """Redact the messages and tools of candidate rows, and the edits that belong to them.

    A conversation is a session: the same value has the same placeholder in all of its requests, answers
    and edits, numbered by first occurrence in the order of time, whatever order the rows come in. So
    the rows of a session must come together, those that may become the other side of a pair included.
    `rows` need session_id, occurred_at, request_id, signal_ids and the messages; `edits` event_id,
    occurred_at and text. Nothing is refused; the step's figures say how many spans of each kind were
    replaced (`redactions`) and in how many rows (`redacted_rows`).
    """
    ordered = rows.with_row_index("_row").sort("session_id", "occurred_at", "request_id")
    sessions = (
        ordered.select("session_id", event_id="signal_ids")
        .explode("event_id")
        .drop_nulls()
        .unique("event_id", keep="first", maintain_order=True)
    )
    known = (
        edits.with_row_index("_row").join(sessions, on="event_id", how="left").sort("occurred_at", "event_id")
    )
    columns = {name: form for name, form in _ROW_COLUMNS.items() if name in rows.columns}
    done = redact_frames(
        [Cells(ordered, columns, "session_id"), Cells(known, {"text": "text"}, "session_id")], redactor
    )
    kept, new_edits = (frame.sort("_row").drop("_row") for frame in done.frames)
    return Redaction(_result("redact", kept, done), new_edits.drop("session_id"))


def redact_turns(rows: pl.DataFrame, redactor: Redactor) -> StepResult:
    """Redact the final `prompt`, `chosen` and `rejected` turns: what was written after `redact` (a judge's
    rewrite, a person's correction) may hold personal data of its own. Placeholders in them stay."""
    ordered = rows.with_row_index("_row").sort(
        "session_id", "occurred_at", pl.col("request_ids").list.first()
    )
    done = redact_frames([Cells(ordered, _TURNS, "session_id")], redactor)
    return _result("redact_turns", done.frames[0].sort("_row").drop("_row"), done)


def _result(name: str, kept: pl.DataFrame, done: RedactedFrames) -> StepResult:
    figures = {"redactions": dict(sorted(done.counts.items())), "redacted_rows": done.changed[0]}
    return StepResult(name, kept, pl.DataFrame(schema=REFUSAL_SCHEMA), kept.height, figures)
