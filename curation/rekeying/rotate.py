"""Bringing every pseudonym of the lake under a new key, beside running workers.

1. fenced: every table with pseudonyms says which key they have to be under. From then on readers get them
   under it, and writers' rows are brought under it or refused (`sinks.pseudonyms`).
2. rewritten: table by table, files with pseudonyms of earlier keys are written anew.
3. purged, if asked for: replaced files go at once; else they go with `lake.retention_days`.

The state is in the tables' properties. Every step can be repeated, and a run after a kill goes on where the
last one was. Whoever calls holds the build lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import polars as pl
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from contracts.errors import CommitFenced, KeyOutdated, TerminalError
from contracts.pseudonyms import versions
from contracts.settings import Settings
from contracts.tables.registry import ERASURE_STATES
from sinks.drops.rebuildable import unbuildable
from sinks.erasure.history import dead_files
from sinks.erasure.rewriting import MOST_ATTEMPTS, PAUSE_S, Change, live, look, rewrite
from sinks.erasure.storage import row_groups, table_files
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.maintenance_compaction import set_properties
from sinks.pseudonyms import COLUMNS, KEY, REWRITTEN, Hashes, state

REASON: Final = "pseudonym-key"


def _unheard(_: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class TableKeys:
    """A table's pseudonyms: the key they have to be, and all are, under; rows, and those of earlier keys."""

    table: str
    key: int
    rewritten: int
    rows: int
    older: int

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "table": self.table,
            "key": self.key,
            "rewritten": self.rewritten,
            "rows": self.rows,
            "older": self.older,
        }


@dataclass(frozen=True)
class Rotated:
    """What a run did. rows: table → pseudonyms brought under the key; files: replaced files deleted."""

    version: int
    rows: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    unbuildable: tuple[str, ...] = ()


def tables(lake: Lake) -> list[str]:
    """Tables of the lake whose rows depend on the key."""
    return [name for name in COLUMNS if lake.exists(name)]


def version_in_force(lake: Lake) -> int:
    """Number of the key the lake is, or is on its way to be, under."""
    return max((state(lake.table(name))[0] for name in tables(lake)), default=1)


def is_settled(lake: Lake, version: int) -> bool:
    """Whether every table says it is wholly under a key, and is. Reads the pseudonyms of all rows."""
    return settled(standing(lake, version), version)


def settled(found: list[TableKeys], version: int) -> bool:
    """Whether tables stand wholly under a key."""
    return all(table.key == table.rewritten == version and not table.older for table in found)


def standing(lake: Lake, version: int) -> list[TableKeys]:
    """Where every table stands on its way to a key. Reads the pseudonyms of all rows."""
    found = []
    for name in tables(lake):
        seen = look(lake, name, _change(name, version, None))
        found.append(TableKeys(name, *state(lake.table(name)), seen.rows_before, seen.altered))
    return found


def rotate(
    lake: Lake,
    hashes: Hashes,
    settings: Settings,
    *,
    purge: bool = False,
    progress: Callable[[str], None] = _unheard,
    step: Callable[[str], None] = _unheard,
    wait: Callable[[float], None] = time.sleep,
) -> Rotated:
    """Bring the lake under the newest key of `hashes`, or go on with that.

    Raises `TerminalError` while an erasure is unfinished, `KeyOutdated` when the lake is under a later key
    already, `CommitFenced` when other writers keep winning; run it again then.
    """
    version = hashes.version
    if (known := version_in_force(lake)) > version:
        raise KeyOutdated(
            f"the lake is under pseudonym key {known}, and only {version} are known here",
            hint="Use the key file or the settings of the last rotation.",
        )
    _refuse_unfinished_erasures(lake)
    # Tables that a later release added, too: one made afterwards would not know of the key.
    lake.create(settings.lake)
    names = tables(lake)
    for name in names:
        if state(lake.table(name))[0] < version:
            progress(f"fencing {name}")
            _patiently(partial(set_properties, lake, name, {KEY: str(version)}))
            step(f"fenced:{name}")
    rows = {}
    for name in names:
        progress(f"rows of {name}")
        # Of a table that is done, too: a worker of a release that knows no keys may have written to it.
        done = rewrite(lake, name, _change(name, version, hashes), settings.lake, reason=REASON)
        begun = state(lake.table(name))[1] < version
        if begun or done.altered:
            rows[name] = done.altered
            step(f"rewritten:{name}")
        if begun:
            _patiently(partial(set_properties, lake, name, {REWRITTEN: str(version)}))
            step(f"settled:{name}")
    if not purge:
        return Rotated(version, rows)
    wait(settings.retention.grace_seconds if any(rows.values()) else 0)
    gone = {}
    for name in names:
        progress(f"old files of {name}")
        gone[name] = _purge(lake, name, version)
        step(f"purged:{name}")
    lost = unbuildable(lake, gone)
    return Rotated(version, rows, {name: len(files) for name, files in gone.items() if files}, tuple(lost))


def _change(name: str, version: int, hashes: Hashes | None) -> Change:
    """What a rotation does to the rows of a table; only to look without hashes."""
    column = COLUMNS[name]

    def older(rows: pl.DataFrame) -> pl.Series:
        if column not in rows.columns:
            return pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
        return (versions(rows[column]) < version).fill_null(value=False)

    def altered(rows: pl.DataFrame) -> pl.DataFrame:
        assert hashes is not None
        raise_one = hashes.raised_hash if column == "id_hash" else hashes.raised
        old = rows[column].filter(older(rows)).unique()
        new = pl.Series([raise_one(value, version) for value in old], dtype=pl.String)
        return rows.with_columns(rows[column].replace(old, new))

    return Change(
        columns=[column],
        leaves=lambda rows: pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True),
        alters=older,
        altered=altered,
    )


def _purge(lake: Lake, name: str, version: int) -> list[str]:
    """Delete files of no newest version that hold pseudonyms of earlier keys; returns their paths."""
    column = COLUMNS[name]
    with translated(lake, name):
        files, table = table_files(lake, name), lake.table(name)
        # What is live now is known to all who load the table from here on.
        table.create_checkpoint()
        alive = {action["path"] for action in live(table)}
        gone = []
        for file in dead_files(lake, name, files.all(), alive):
            try:
                stale = any(
                    bool((versions(rows[column]) < version).any())
                    for rows in row_groups(files, file.path, [column])
                    if column in rows.columns
                )
            except FileNotFoundError:
                continue
            if stale:
                files.delete(file.path)
                gone.append(file.path)
    return gone


def _refuse_unfinished_erasures(lake: Lake) -> None:
    if not lake.exists("erasures"):
        return
    rows = lake.scan("erasures").select("erasure_id", "state", "recorded_at").collect()
    newest = rows.with_columns(
        place=pl.col("state").replace_strict(
            {name: n for n, name in enumerate(ERASURE_STATES)},
            default=len(ERASURE_STATES),
            return_dtype=pl.Int32,
        )
    )
    last = newest.sort("recorded_at", "place", nulls_last=False).unique("erasure_id", keep="last")
    unfinished = last.filter(pl.col("state").is_not_null(), pl.col("state") != "proven")["erasure_id"].sort()
    if unfinished.len():
        raise TerminalError(
            f"an erasure is unfinished: {', '.join(unfinished)}",
            hint="Finish it first: run `tailrace erase` again for this person.",
        )


def _patiently(do: Callable[[], None]) -> None:
    """Do it again while other writers are first."""
    Retrying(
        retry=retry_if_exception_type(CommitFenced),
        stop=stop_after_attempt(MOST_ATTEMPTS),
        wait=wait_fixed(PAUSE_S),
        reraise=True,
    )(do)
