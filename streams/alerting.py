"""From signals that were just read to alerts, before any window closes.

The poll loop hands over rows a few times per second; an alert leaves it within `EVERY_S` of its signal's
arrival, whatever the lake does. Features of the requests come from what is in memory anyway: the open
micro-batch, the one being stored, and the windows.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from contracts.alerts import DEAD_LETTERS, Alert, DeadLetterShare
from contracts.settings import AlertSettings
from contracts.validation import SECOND
from joiners.attribution import attribute
from sinks.lake import Lake
from sinks.transactions import stored_offset
from streams.alert_outputs import AlertOutputs
from streams.rates import Alarm, CountWindow

if TYPE_CHECKING:
    from streams.decoding import Decoder

EVERY_S: Final = 0.2
"""Shortest time between two looks, seconds."""

REST: Final = 50
"""A look is followed by a pause of so many times what it took: a storm of reports costs the join 2 %
(measured: 14 ms to look up a request among a million open ones)."""

WINDOW_MINUTES: Final = 5
MOST_REASONS: Final = 5

FindRequests = Callable[[pl.Series, pl.Series], pl.DataFrame]
"""Requests held in windows by sessions and ids, see `JoinPipeline.requests_of`."""


class AlertDesk:
    """Decides what is an alert, sends it, and keeps it until its batch is stored."""

    def __init__(
        self,
        settings: AlertSettings,
        outputs: AlertOutputs,
        find: FindRequests,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._outputs = outputs
        self._find = find
        self._stored: dict[int, int] = {}
        self._before = pl.DataFrame()
        self._open: list[Alert] = []
        self._next_look = float("-inf")
        self._consumed: CountWindow[None] = CountWindow(WINDOW_MINUTES * 60)
        self._letters: CountWindow[str] = CountWindow(WINDOW_MINUTES * 60)
        self._alarm = Alarm(settings.dead_letter_share, settings.dead_letter_minimum)

    def assigned(self, stored: Mapping[int, int]) -> None:
        """Take over partitions. `stored`: last offset per partition whose signals are in the lake: the
        alerts of these are out, however often they are read again."""
        self._stored = dict(stored)

    def reset(self) -> None:
        """Own nothing: the next owner sends what is not stored yet."""
        self._stored, self._open, self._before = {}, [], pl.DataFrame()

    def look(self, decoder: Decoder, *, now_us: int, at_once: bool = False) -> int:
        """Send alerts for watched signals decoded since the last look; how many. `now_us`: UTC microseconds.

        Without `at_once` nothing happens during the pause after the last look.
        """
        if not decoder.has_watched or (not at_once and self._clock() < self._next_look):
            return 0
        began = self._clock()
        signals = decoder.watched()
        alerts = report_alerts(fresh(signals, self._stored), self._requests(decoder, signals), now_us=now_us)
        self._send(alerts)
        ended = self._clock()
        self._next_look = ended + max(EVERY_S, REST * (ended - began))
        return len(alerts)

    def hand_over(
        self, requests: pl.DataFrame, letters: pl.DataFrame, *, consumed: int, now_us: int
    ) -> tuple[Alert, ...]:
        """The micro-batch ends: the alerts that must have arrived before it is stored.

        `requests`: its requests (`REQUEST_KEYS`), `letters`: its dead letters.
        """
        self._before = requests
        now_s = now_us / SECOND
        self._consumed.add(now_s, {None: consumed})
        if letters.height:
            counted = letters.group_by("reason", "topic").len()
            self._letters.add(now_s, {f"{reason} of {topic}": n for reason, topic, n in counted.iter_rows()})
        total, dead = self.recent(now_us)
        if self._alarm.rings(now_s, total, dead):
            self._send([dead_letter_alert(self._letters.counts(now_s), total, now_us=now_us)])
        alerts, self._open = tuple(self._open), []
        return alerts

    def recent(self, now_us: int) -> tuple[int, int]:
        """Events consumed, and dead letters among them, in the last five minutes."""
        now_s = now_us / SECOND
        return self._consumed.counts(now_s).total(), self._letters.counts(now_s).total()

    def _send(self, alerts: list[Alert]) -> None:
        self._open += alerts
        self._outputs.send(alerts)

    def _requests(self, decoder: Decoder, signals: pl.DataFrame) -> pl.DataFrame:
        held = self._find(signals["session_id"].unique(), signals["request_id"].drop_nulls().unique())
        known = [frame for frame in (held, self._before, decoder.requests()) if not frame.is_empty()]
        return pl.concat(known).unique("request_id", keep="first") if known else held


def stored_signals(lake: Lake, origin: str, partitions: Collection[int]) -> dict[int, int]:
    """Last offset of each partition of the signals topic (`origin`: its incarnation) in the lake.

    Raises `LakeUnavailable`.
    """
    table = lake.table("signals")
    return {partition: stored_offset(table, origin, partition) for partition in partitions}


def fresh(signals: pl.DataFrame, stored: Mapping[int, int]) -> pl.DataFrame:
    """Signals whose offset lies after the last stored one of their partition."""
    if not stored:
        return signals
    last = pl.col("partition").replace_strict(
        list(stored), list(stored.values()), default=-1, return_dtype=pl.Int64
    )
    return signals.filter(pl.col("offset") > last)


def report_alerts(signals: pl.DataFrame, requests: pl.DataFrame, *, now_us: int) -> list[Alert]:
    """An alert per signal (rows of `WATCHED`), each id once, in order; `requests` give the features."""
    if signals.is_empty():
        return []
    signals = signals.unique("event_id", keep="first", maintain_order=True)
    found = attribute(requests, signals.with_columns(supersedes=pl.lit(None, dtype=pl.String)))
    rows = found.join(
        requests.select(target="request_id", feature="feature"),
        on="target",
        how="left",
        maintain_order="left",
    )
    detected = rfc3339(now_us)
    return [
        Alert(
            alert_id=row["event_id"],
            kind=row["kind"],
            occurred_at=rfc3339(row["at_us"]),
            detected_at=detected,
            session_id=row["session_id"],
            request_id=row["request_id"],
            user_key=row["user_key"],
            actor=row["actor"],
            feature=row["feature"],
        )
        for row in rows.with_columns(at_us=pl.col("occurred_at").dt.epoch("us")).iter_rows(named=True)
    ]


def dead_letter_alert(letters: Counter[str], consumed: int, *, now_us: int) -> Alert:
    """The alert that too much of what was consumed cannot be used; `letters`: how much of what.

    Its id names the five minutes, so that workers that notice the same send one alert.
    """
    ordered = sorted(letters.items(), key=lambda item: (-item[1], item[0]))
    period_us = WINDOW_MINUTES * 60 * SECOND
    return Alert(
        alert_id=f"{DEAD_LETTERS}/{rfc3339(now_us - now_us % period_us)}",
        kind=DEAD_LETTERS,
        occurred_at=rfc3339(now_us),
        detected_at=rfc3339(now_us),
        dead_letters=DeadLetterShare(
            minutes=WINDOW_MINUTES,
            consumed=consumed,
            dead_letters=letters.total(),
            reasons=dict(ordered[:MOST_REASONS]),
        ),
    )


def rfc3339(us: int) -> str:
    """UTC microseconds as RFC 3339 text."""
    moment = datetime.fromtimestamp(us // SECOND, UTC).replace(microsecond=us % SECOND)
    return moment.isoformat().replace("+00:00", "Z")
