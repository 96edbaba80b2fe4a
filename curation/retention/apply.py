"""Retention: rows older than their table's days go, but for what a legal hold keeps.

Whole days of a table leave without a file being read, unless something in them is held. The files themselves
stay for `lake.retention_days`, as after any other change: so long the versions before can still be read, and
drops built from them rebuilt. What is lost after that is said beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from contracts.errors import SettingsError
from contracts.settings import Settings
from contracts.tables import TABLES, is_partitioned
from contracts.tables.persons import PERSONAL
from curation.retention.holds import held_back
from sinks.drops.rebuildable import unbuildable
from sinks.erasure.person import Person, needed_columns
from sinks.erasure.rewriting import Change, look, rewrite
from sinks.lake import Lake

REASON: Final = "retention"


@dataclass(frozen=True)
class Expired:
    """What retention does to a table: the first day kept, rows that go, and rows older than that which a hold
    keeps. `held`: the whole table is held."""

    table: str
    keep_from: date
    removed: int
    kept_by_hold: int
    held: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "table": self.table,
            "keep_from": self.keep_from.isoformat(),
            "removed": self.removed,
            "kept_by_hold": self.kept_by_hold,
            "held": self.held,
        }


@dataclass(frozen=True)
class Retained:
    """What a run did, or would do. `unbuildable`: drops that cannot be rebuilt any more once the files of
    what was removed are deleted, from `files_until` on."""

    tables: tuple[Expired, ...]
    unbuildable: tuple[str, ...]
    files_until: datetime


def first_days(settings: Settings, now_us: int) -> dict[str, date]:
    """Table → first day that is kept. Raises `SettingsError` for tables that have no days."""
    today = datetime.fromtimestamp(now_us / 1_000_000, UTC).date()
    found = {}
    for name, days in settings.retention.days.items():
        if name not in TABLES or not is_partitioned(name):
            dated = ", ".join(table for table in TABLES if is_partitioned(table))
            raise SettingsError(
                f"retention.days: {name} is no table with days", hint=f"Tables with days: {dated}."
            )
        if days < 1:
            raise SettingsError(
                f"retention.days: {name}: at least one day is kept", hint="Give a number of days from 1."
            )
        found[name] = today - timedelta(days=days)
    return found


def apply(
    lake: Lake,
    settings: Settings,
    pseudonym: Callable[[str], str],
    *,
    now_us: int,
    dry_run: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Retained:
    """Delete rows older than their table's days; nothing with `dry_run`.

    `pseudonym` makes user keys of raw ids, for messages kept in their original bytes. A run that is killed is
    finished by the next one. Raises `SettingsError`, `CommitFenced` when other writers keep winning,
    `LakeUnavailable`.
    """
    wanted = first_days(settings, now_us)
    tables, owners = held_back(lake, pseudonym)
    done, files = [], {}
    for name, keep_from in wanted.items():
        if not lake.exists(name):
            continue
        progress(name)
        if name in tables:
            done.append(Expired(name, keep_from, 0, 0, held=True))
            continue
        old = _older_than(keep_from)
        change = _departure(name, owners)
        went = look(lake, name, change, only=old)
        files[name] = went.files
        done.append(Expired(name, keep_from, went.removed, went.rows_before - went.removed))
    # Before anything goes: afterwards the newest versions would not say what they had needed.
    lost = unbuildable(lake, files)
    if not dry_run:
        for expired in done:
            if expired.removed:
                progress(expired.table)
                change = _departure(expired.table, owners)
                only = _older_than(expired.keep_from)
                rewrite(lake, expired.table, change, settings.lake, reason=REASON, only=only)
    until = datetime.fromtimestamp(now_us / 1_000_000, UTC) + timedelta(days=settings.lake.retention_days)
    return Retained(tuple(done), tuple(lost), until)


def _older_than(keep_from: date) -> Callable[[Mapping[str, Any]], bool]:
    return lambda action: bool(action["partition.date"] < keep_from)


def _departure(name: str, owners: list[Person]) -> Change:
    """Every row goes that no hold keeps."""

    def leaves(rows: pl.DataFrame) -> pl.Series:
        held = pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
        for owner in owners:
            held |= owner.owns(name, rows)
        return ~held

    columns = needed_columns(name) if PERSONAL[name].nothing == "" else []
    return Change(columns=columns, leaves=leaves)
