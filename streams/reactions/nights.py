"""When a drop is due and who should build it now: decisions over the log of runs, without I/O or a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from croniter import croniter
from croniter.croniter import CroniterError

from contracts.errors import SettingsError
from contracts.settings import NightlySettings
from sinks.nightly_runs import CLAIMED, FAILED, PUBLISHED, RUNNING, UNCHANGED, Run

SILENT_BEATS: Final = 4
"""Heartbeats that may fail to appear before a build counts as dead."""

BACKOFF_FIRST: Final = timedelta(minutes=1)
BACKOFF_MOST: Final = timedelta(hours=1)

GRACE: Final = timedelta(minutes=5)
"""A night is not missed as long as it is no older than this, whatever `catch_up_hours` says."""


class Schedule:
    """A cron expression in UTC."""

    def __init__(self, cron: str) -> None:
        """Raises `SettingsError` when it is none, or names no moment."""
        self.cron = cron
        try:
            if len(cron.split()) != 5 and not cron.startswith("@"):
                raise ValueError("not five fields")
            self.next(datetime(2024, 1, 1, tzinfo=UTC))
        except (CroniterError, ValueError, KeyError):
            raise SettingsError(
                f"nightly.cron is no cron expression: {cron}", hint='Five fields, e.g. "30 2 * * *".'
            ) from None

    def latest(self, now: datetime) -> datetime:
        """The newest moment at or before now."""
        moment: datetime = croniter(self.cron, now + timedelta(seconds=1)).get_prev(datetime)
        return moment if moment <= now else croniter(self.cron, moment).get_prev(datetime)

    def next(self, now: datetime) -> datetime:
        """The first moment after now."""
        moment: datetime = croniter(self.cron, now).get_next(datetime)
        return moment


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker should do now about a night.

    action: `rest` (look again at `until` at the latest), `begin` (note that the schedule is in force),
    `build` this attempt, or `give_up` the night because of `detail`. dead: the last row of an attempt that
    has fallen silent.
    """

    action: Literal["rest", "begin", "build", "give_up"]
    night: datetime
    until: datetime
    attempt: int = 0
    dead: Run | None = None
    detail: str = ""


def decide(
    runs: Sequence[Run], now: datetime, schedule: Schedule, settings: NightlySettings, *, silent: bool
) -> Plan:
    """What to do, given a channel's runs (as `read_runs` returns them).

    Only the newest moment that has passed is ever built: a drop is made from everything before it, so it
    holds what those of missed nights would have held. `silent`: whether the attempt under way (`under_way`)
    has stopped sending heartbeats.
    """
    due, following = schedule.latest(now), schedule.next(now)
    if not runs:
        return Plan("begin", due, following)
    if any(run.final and run.night >= due for run in runs):
        return Plan("rest", due, following)
    live = under_way(runs)
    if live is not None and not silent:
        return Plan("rest", due, min(now + timedelta(seconds=settings.heartbeat_seconds), following))
    mine = [run for run in runs if run.night == due]
    last = _last(mine)
    if last is None:
        if now - due > max(timedelta(hours=settings.catch_up_hours), GRACE):
            detail = f"missed: no worker ran within {settings.catch_up_hours:g} hours"
            return Plan("give_up", due, following, dead=live, detail=detail)
        return Plan("build", due, following, attempt=1, dead=live)
    if last.attempt >= settings.max_attempts:
        detail = f"given up after {last.attempt} attempts; the last one fell silent"
        return Plan("give_up", due, following, attempt=last.attempt, detail=detail)
    if last.state == FAILED and (again := last.at + backoff(last.attempt)) > now:
        return Plan("rest", due, min(again, following), attempt=last.attempt)
    return Plan("build", due, following, attempt=last.attempt + 1, dead=live)


def backoff(attempt: int) -> timedelta:
    """Pause after a failed attempt (the first is 1): a minute, doubled every time, at most an hour."""
    return min(BACKOFF_FIRST * (1 << min(attempt - 1, 16)), BACKOFF_MOST)


def under_way(runs: Sequence[Run]) -> Run | None:
    """The newest row of the newest attempt, when that has not ended."""
    last = _last(runs)
    return last if last is not None and last.state in (CLAIMED, RUNNING) else None


def _last(runs: Sequence[Run]) -> Run | None:
    """Where the newest attempt stands: its end if it has one, else its newest sign of life."""
    if not runs:
        return None
    newest = max((run.night, run.attempt) for run in runs)
    rows = [run for run in runs if (run.night, run.attempt) == newest]
    return max(rows, key=lambda run: (run.final, run.state not in (CLAIMED, RUNNING), run.at))


@dataclass(frozen=True, slots=True)
class Overview:
    """Where the schedule stands. `last` is None before the first run, `next` while it is switched off.

    failed_attempts: of the newest night. last_success: when a night last ended well.
    """

    enabled: bool
    cron: str
    next: datetime | None
    last: Run | None
    silent: bool
    failed_attempts: int
    last_success: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """For `tailrace status --json` and the worker's /status. Times are RFC 3339."""
        last = self.last
        return {
            "enabled": self.enabled,
            "cron": self.cron,
            "next": _text(self.next),
            "night": _text(last.night) if last else None,
            "state": last.state if last else None,
            "silent": self.silent,
            "attempt": last.attempt if last else 0,
            "failed_attempts": self.failed_attempts,
            "final": last.final if last else False,
            "worker": last.worker if last else None,
            "at": _text(last.at) if last else None,
            "drop_id": last.drop_id if last else None,
            "detail": last.detail if last else None,
            "last_success_at": _text(self.last_success),
        }


def overview(runs: Sequence[Run], now: datetime, settings: NightlySettings) -> Overview:
    """Where the schedule stands. An attempt without a heartbeat for long is called silent, by the clock of
    whoever looks: for people, decisions do not rest on it."""
    last = _last(runs)
    night = last.night if last else None
    limit = timedelta(seconds=SILENT_BEATS * settings.heartbeat_seconds)
    good = [run.at for run in runs if run.state in (PUBLISHED, UNCHANGED)]
    return Overview(
        enabled=settings.enabled,
        cron=settings.cron,
        next=Schedule(settings.cron).next(now) if settings.enabled else None,
        last=last,
        silent=last is not None and last.state in (CLAIMED, RUNNING) and now - last.at > limit,
        failed_attempts=len({r.attempt for r in runs if r.night == night and r.state == FAILED}),
        last_success=max(good, default=None),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
