"""Dead letters seen on their topic: how many of what, since when, and how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, Metric

from contracts import reasons
from streams.rates import MinuteRing

OTHER: Final = "other"
MOST_FIELDS: Final = 200
"""Field paths told apart; the names in them come from our own schemas, but anyone may produce here."""

TOP_FIELDS: Final = 10
_LONGEST: Final = 120


@dataclass
class _Tally:
    """Dead letters of one reason and topic; times are Unix seconds."""

    count: int = 0
    first_s: float = float("inf")
    last_s: float = float("-inf")
    minutes: MinuteRing = field(default_factory=MinuteRing)

    def add(self, at_s: float, now_s: float) -> None:
        self.count += 1
        self.first_s = min(self.first_s, at_s)
        self.last_s = max(self.last_s, at_s)
        self.minutes.add(now_s)


class LetterStats:
    """Counts by reason and topic, both our own words: what anybody else writes is `other`."""

    def __init__(self, topics: Collection[str]) -> None:
        """`topics`: the topics dead letters may come from."""
        self._topics = frozenset(topics)
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._fields: Counter[str] = Counter()
        self._all = MinuteRing()

    def note(self, reason: str, topic: str, path: str, *, at_s: float, now_s: float) -> None:
        """Count one; `path` is the field a schema error names, `at_s` the broker's time of it."""
        reason = reason if reason in reasons.DESCRIPTIONS else OTHER
        key = (reason, topic if topic in self._topics else OTHER)
        self._tallies.setdefault(key, _Tally()).add(at_s, now_s)
        self._all.add(now_s)
        if reason == reasons.SCHEMA and path:
            path = path[:_LONGEST] if path.isprintable() else OTHER
            known = path in self._fields or len(self._fields) < MOST_FIELDS
            self._fields[path if known else OTHER] += 1

    def as_dict(self, now_s: float) -> dict[str, Any]:
        """For /status. `per_minute`: the last hour, the oldest minute first."""
        return {
            "by_reason": [
                {
                    "reason": reason,
                    "topic": topic,
                    "count": tally.count,
                    "first_seen": _text(tally.first_s),
                    "last_seen": _text(tally.last_s),
                    "last_hour": sum(tally.minutes.per_minute(now_s)),
                }
                for (reason, topic), tally in sorted(self._tallies.items())
            ],
            "per_minute": self._all.per_minute(now_s),
            "schema_fields": dict(self._fields.most_common(TOP_FIELDS)),
        }

    def metrics(self) -> list[Metric]:
        """Prometheus families; fields are no labels, there can be many."""
        family = CounterMetricFamily(
            "tailrace_dead_letters", "Dead letters seen on their topic", labels=["reason", "topic"]
        )
        for (reason, topic), tally in sorted(self._tallies.items()):
            family.add_metric([reason, topic], tally.count)
        return [family]


def _text(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
