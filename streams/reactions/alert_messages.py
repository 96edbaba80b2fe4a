"""What is posted to the webhook: one alert, or the sum of many. Pure.

`text` is one sentence, so that chat services show something sensible; everything else is for machines.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from contracts.alerts import Alert

LISTED: Final = 50
"""Alert ids a sum names."""


class Call(msgspec.Struct, frozen=True):
    """A body to post and the key that makes a repeat of it known."""

    body: bytes
    key: str


def single(alert: Alert) -> Call:
    """A call for one alert; its key is the alert's id."""
    body = {"type": "alert", "text": sentence(alert), "alert": msgspec.to_builtins(alert)}
    return Call(msgspec.json.encode(body), header_safe(alert.alert_id))


def summary(alerts: Sequence[Alert]) -> Call:
    """A call for many alerts; its key is made of their ids. One alert alone is sent as itself."""
    if len(alerts) == 1:
        return single(alerts[0])
    counts = Counter((alert.kind, alert.feature or "") for alert in alerts)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ids = [alert.alert_id for alert in alerts]
    times = [alert.occurred_at for alert in alerts]
    body: dict[str, Any] = {
        "type": "summary",
        "text": f"{len(alerts)} more alerts: "
        + ", ".join(f"{n} {kind}{f' in {feature}' if feature else ''}" for (kind, feature), n in ordered),
        "count": len(alerts),
        "counts": [{"kind": k, "feature": feature or None, "count": n} for (k, feature), n in ordered],
        "first_at": min(times),
        "last_at": max(times),
        "alert_ids": ids[:LISTED],
        "dead_letters": [msgspec.to_builtins(a.dead_letters) for a in alerts if a.dead_letters],
    }
    return Call(msgspec.json.encode(body), hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:32])


def sentence(alert: Alert) -> str:
    """One alert in words; ids only, never what a user wrote."""
    share = alert.dead_letters
    if share is not None:
        return (
            f"{share.dead_letters} of {share.consumed} events of the last {share.minutes} minutes are dead "
            f"letters: {', '.join(f'{n} {reason}' for reason, n in share.reasons.items())}"
        )
    where = f" in {alert.feature}" if alert.feature else ""
    request = f", request {alert.request_id}" if alert.request_id else ""
    return f"{alert.kind}{where}: session {alert.session_id}{request}"


def header_safe(name: str) -> str:
    """An id as the value of an HTTP header: as it is when that is possible, else its hash."""
    if name.isascii() and name.isprintable() and name.strip() == name:
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:32]
