"""What must become of a question whose calls fail in a known way: the rules, written down once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from curation.judge.verdicts import UnjudgedReason

TURNED_DOWN: Final = {
    "429": UnjudgedReason.RATE_LIMITED,
    "status:500": UnjudgedReason.UNAVAILABLE,
    "status:503": UnjudgedReason.UNAVAILABLE,
}
"""Costs nothing; tried again."""

LOST: Final = {
    "cut": UnjudgedReason.UNAVAILABLE,
    "reset": UnjudgedReason.UNAVAILABLE,
    "half_body": UnjudgedReason.UNAVAILABLE,
    "html": UnjudgedReason.UNAVAILABLE,
    "hang": UnjudgedReason.TIMEOUT,
}
"""A call nobody can say the price of; tried again."""

EMPTY: Final = ("empty_choices",)
"""Billed; tried again."""

MISFITS: Final = ("wrong", "truncated", "surrogate")
"""Billed; repaired once."""

FINAL: Final = {
    "refusal": UnjudgedReason.REFUSAL,
    "filter": UnjudgedReason.CONTENT_FILTER,
    "too_long": UnjudgedReason.TOO_LONG,
}
"""Not tried again; all but the last are billed."""

GOOD: Final = ("", "slow", "prose")


@dataclass(frozen=True)
class Expected:
    """`requests` reach the server, `calls` count, `billed` answers have a price."""

    reason: UnjudgedReason | None
    requests: int
    calls: int
    billed: int


def expected(faults: Sequence[str], *, retries: int = 4) -> Expected:
    """What becomes of a question whose first calls meet these faults, with the budget it needs."""
    script = iter(faults)
    requests = calls = billed = 0
    for phase in ("first", "repair"):
        attempts = 0
        while True:
            fault = next(script, "")
            requests += 1
            attempts += 1
            calls += fault not in TURNED_DOWN and fault != "too_long"
            billed += fault not in TURNED_DOWN and fault not in LOST and fault != "too_long"
            if fault in FINAL:
                return Expected(FINAL[fault], requests, calls, billed)
            if fault in GOOD:
                return Expected(None, requests, calls, billed)
            if fault in MISFITS:
                break
            if attempts > retries:
                reason = {**TURNED_DOWN, **LOST}.get(fault, UnjudgedReason.EMPTY_ANSWER)
                return Expected(reason, requests, calls, billed)
        if phase == "repair":
            break
    return Expected(UnjudgedReason.INVALID_ANSWER, requests, calls, billed)
