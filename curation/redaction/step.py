"""Redaction as a step of the nightly build: of the texts of a bucket of sessions, and of final turns."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

import polars as pl

from contracts.settings import PrivacySettings
from curation.redaction.frame import Cells, redact_frames
from curation.redaction.redactor import Redactor

_TEXTS: Final = {
    "input_messages": "messages",
    "output_messages": "messages",
    "edit_text": "text",
    "tools": "json",
}
_TURNS: Final = {"prompt": "json", "chosen": "json", "rejected": "json"}
_ROW: Final = "_row"


class Redaction(NamedTuple):
    """Rows without personal data, in the order they came; spans replaced by kind; rows that changed."""

    rows: pl.DataFrame
    counts: Counter[str]
    changed: int


def make_redactor(privacy: PrivacySettings) -> Redactor | None:
    """The redactor of a build, or None when redaction is off.

    With `redact_at = ingress` too: rows stored before it was set still hold everything.
    """
    return None if privacy.redact_at == "off" else Redactor(privacy.redact)


def redact(rows: pl.DataFrame, redactor: Redactor) -> Redaction:
    """Redact the texts of candidate rows: those of input_messages, output_messages, edit_text and tools they
    have; `session_id`, `occurred_at` and `request_id` are needed besides.

    A conversation is a session: the same value has the same placeholder in all of its requests, answers
    and edits, numbered by first occurrence in the order of time, whatever order the rows come in. So the
    rows of a session must come together, those that may become the other side of a pair included.
    """
    return _redact(rows, _TEXTS, pl.col("request_id"), redactor)


def redact_turns(rows: pl.DataFrame, redactor: Redactor) -> Redaction:
    """Redact the final `prompt`, `chosen` and `rejected` turns (JSON) of training rows.

    What was written after `redact` (a judge's rewrite, a person's correction) may hold personal data of
    its own. Placeholders that are there stay, and new ones get other numbers.
    """
    return _redact(rows, _TURNS, pl.col("request_ids").list.first(), redactor)


def _redact(rows: pl.DataFrame, columns: dict[str, str], last: pl.Expr, redactor: Redactor) -> Redaction:
    chosen = {name: form for name, form in columns.items() if name in rows.columns}
    ordered = rows.with_row_index(_ROW).sort(pl.col("session_id"), pl.col("occurred_at"), last)
    done = redact_frames([Cells(ordered, chosen, "session_id")], redactor)
    return Redaction(done.frames[0].sort(_ROW).drop(_ROW), done.counts, done.changed[0])
