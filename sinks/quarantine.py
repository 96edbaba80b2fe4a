"""The quarantine: what gates refused, and what people let pass."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from contracts.errors import SettingsError, TerminalError
from contracts.tables import frame_schema
from sinks.lake import Lake
from sinks.transactions import append_new, append_once

CONSENT_STAGE: Final = "consent"
"""Stage of what a revocation refused; only the user can take that back."""

PENDING: Final = "pending"
"""Drop id of rows that were refused before any drop was built."""

_USERS_OWN: Final = frozenset({"consent_denied", "consent_revoked", "consent_unknown"})
"""Reasons of the eligibility gate that are the user's decision."""


def add(lake: Lake, rows: pl.DataFrame) -> int:
    """Append refused rows whose `quarantine_id` is not there yet; returns how many were new.

    Safe to repeat and to call from several processes. Raises `LakeUnavailable`, `TableInvalid`.
    """
    return append_new(lake, "quarantine", rows, key="quarantine_id", same_day=True)


def quarantined(lake: Lake, *, drop_id: str | None = None, reason: str | None = None) -> pl.LazyFrame:
    """Refused rows with `released` (whether a person let them pass since)."""
    rows = lake.scan("quarantine")
    if drop_id is not None:
        rows = rows.filter(pl.col("drop_id") == drop_id)
    if reason is not None:
        rows = rows.filter(pl.col("reason") == reason)
    let_pass = pl.Series(sorted(released(lake)), dtype=pl.String)
    return rows.with_columns(
        released=pl.col("quarantine_id").is_in(let_pass.implode()).fill_null(value=False)
    )


def released(lake: Lake, *, version: int | None = None) -> frozenset[str]:
    """Ids that people released; none in a lake without the table."""
    if not lake.exists("releases"):
        return frozenset()
    return frozenset(lake.scan("releases", version=version).collect()["quarantine_id"])


def history(lake: Lake, quarantine_id: str) -> pl.DataFrame:
    """Every refusal with this id, oldest first. Raises `TerminalError` when there is none."""
    rows = quarantined(lake).filter(pl.col("quarantine_id") == quarantine_id).sort("refused_at").collect()
    if rows.is_empty():
        raise TerminalError(
            f"nothing in quarantine has the id {quarantine_id}",
            hint="`tailrace quarantine list` shows the ids; rows of older versions have none.",
        )
    return rows


def release(lake: Lake, quarantine_id: str, reason: str, *, now: datetime) -> bool:
    """Let a refused row pass from the next build on, and record why; false when it was released before.

    Published drops stay as they are. Raises `TerminalError` for an unknown id and for what a user decided,
    `SettingsError` without a reason.
    """
    if not reason.strip():
        raise SettingsError(
            "a release needs a reason", hint="Say with --reason why this row may be trained on."
        )
    rows = history(lake, quarantine_id)
    if rows["stage"][-1] == CONSENT_STAGE or rows["reason"][-1] in _USERS_OWN:
        raise TerminalError(
            f"{quarantine_id} was refused because the user does not consent; nobody else can release it",
            hint="It may be trained on again when the user grants consent (a new consent event).",
        )
    if quarantine_id in released(lake):
        return False
    row = {
        "quarantine_id": quarantine_id,
        "reason": reason.strip(),
        "released_at": now,
        "drop_id": rows["drop_id"][-1],
    }
    frame = pl.DataFrame([row], schema=frame_schema("releases"))
    return append_once(lake, "releases", frame, batch_id=f"release/{quarantine_id}") > 0
