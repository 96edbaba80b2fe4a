"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from contracts.errors import SettingsError


def parse_as_of(text: str | None) -> datetime | None:
    """An as-of time: a date means the end of that day, UTC; a date and time (with offset) itself."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"--as-of {text}: not a date",
            hint="Use YYYY-MM-DD or an RFC 3339 time such as 2026-01-31T06:00Z.",
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    date_only = len(text) <= len("YYYY-MM-DD")
    return moment + timedelta(days=1) - timedelta(microseconds=1) if date_only else moment
