"""One request as the judge would see it: found in the lake, checked by the first gate, redacted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from contracts.errors import TerminalError
from contracts.settings import Settings
from curation import candidates
from curation.eligibility import eligible
from curation.judge.verdicts import JudgeItem
from curation.judging import judge_items
from curation.redaction.step import make_redactor, redact
from joiners.interactions import first_arrivals
from sinks.lake import Lake

_TEXTS: Final = ("input_messages", "output_messages", "tools")

_KEPT: Final = (
    *("epoch", "judge", "content_hash", "verdict", "failure_kind", "severity", "confidence"),
    *("input_tokens", "output_tokens", "cost_usd", "judged_at"),
)
"""What is shown of a stored verdict."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """An interaction to be tried.

    interaction: its current row, without texts. item: what the judge is given. refused: why the first gate
    of the nightly build keeps it from the judge (a code of `refusal_words`), empty when it does not.
    redacted: whether its texts were redacted. stored: verdicts on this request the lake holds, newest first.
    """

    interaction: Mapping[str, Any]
    item: JudgeItem
    refused: str
    redacted: bool
    stored: list[dict[str, Any]]


def find_case(lake: Lake, request_id: str, settings: Settings) -> Case:
    """Find a request; reads the lake and writes nothing.

    Its whole session is redacted together, as the nightly build does it, so that placeholders have the same
    numbers. Raises `TerminalError` when the request is not known, waits for evidence, or came without text.
    """
    rows = _session(lake, request_id)
    versions = candidates.pin_inputs(lake)
    as_of = candidates.latest_event(lake, versions)
    if rows.is_empty() or as_of is None:
        raise _unknown(lake, request_id)
    mine = pl.col("request_id") == request_id
    if not rows.filter(mine)["has_text"].item():
        raise TerminalError(
            f"request {request_id} came without text: there is nothing to judge",
            hint="Log prompt and response with the request (`input_messages`, `output_messages`).",
        )
    consents = candidates.load_consents(lake, versions, as_of)
    refused = eligible(rows, consents, settings.curation).refused
    reasons = refused.filter(pl.col("request_ids").list.contains(request_id))["reason"].to_list()
    edits = candidates.load_edits(lake, versions, as_of, settings.curation.actors)
    rows = rows.join(candidates.last_edits(rows, edits), on="request_id", how="left")
    redactor = make_redactor(settings.privacy)
    shown = rows if redactor is None else redact(rows, redactor).rows
    before, after = (frame.filter(mine).select(*_TEXTS) for frame in (rows, shown))
    (item,) = judge_items(shown.filter(mine))
    return Case(
        interaction=rows.filter(mine).drop(*_TEXTS, "edit_text").row(0, named=True),
        item=item,
        refused=reasons[0] if reasons else "",
        redacted=not before.equals(after),
        stored=_stored(lake, request_id, item.content_hash),
    )


def _session(lake: Lake, request_id: str) -> pl.DataFrame:
    """Current interactions of the request's session with the terms and texts of their requests, in time."""
    interactions = lake.interactions()
    sessions = interactions.filter(pl.col("request_id") == request_id).select("session_id").collect()
    if sessions.is_empty():
        return sessions
    rows = interactions.filter(pl.col("session_id") == sessions["session_id"].item()).collect()
    copies = (
        lake.sound("requests")
        .filter(
            pl.col("date").is_in(rows["date"].unique().implode()),
            pl.col("request_id").is_in(rows["request_id"].implode()),
            ~pl.col("duplicate"),
        )
        .select(
            *("request_id", "partition", "offset", *_TEXTS, *candidates.REQUEST_TERMS),
            has_text=candidates.has_text(),
        )
        .collect()
    )
    first = first_arrivals(copies, "request_id").drop("partition", "offset")
    return rows.join(first, on="request_id", how="inner").sort("occurred_at", "request_id")


def _unknown(lake: Lake, request_id: str) -> TerminalError:
    known = lake.scan("requests").filter(pl.col("request_id") == request_id).select("request_id")
    if known.head(1).collect().is_empty():
        return TerminalError(
            f"there is no request {request_id} in the lake",
            hint="Check the id; `tailrace dead-letters list` shows events that could not be used.",
        )
    return TerminalError(
        f"request {request_id} still waits for evidence in the stream",
        hint="It becomes an interaction when its window closes (join.horizon_minutes); "
        "`tailrace worker --drain` closes all windows now.",
    )


def _stored(lake: Lake, request_id: str, content_hash: str) -> list[dict[str, Any]]:
    of_it = (pl.col("request_id") == request_id) | (pl.col("content_hash") == content_hash)
    rows = lake.scan("judgments").filter(of_it).select(*_KEPT).collect()
    return rows.sort("judged_at", descending=True).to_dicts()
