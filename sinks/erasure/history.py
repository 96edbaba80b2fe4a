"""What a Delta table still knows of rows that are gone: replaced files, and statistics in its log.

Only what speaks of the person goes. Other replaced files stay, so that every older version that never held
the person can still be read. Commits stay too, without the statistics that name the person: statistics are
optional in the protocol, while a commit that vanished could be written again by a writer that began
before it, and the rows of both would be lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from contracts.errors import LakeUnavailable
from contracts.tables.persons import ID_COLUMNS, ID_KINDS
from sinks.erasure.person import Person, needed_columns
from sinks.erasure.rewriting import live
from sinks.erasure.storage import LOG, StoredFile, TableFiles, is_data, row_groups, table_files
from sinks.lake import Lake

HOUR_US: Final = 3_600_000_000

CUT: Final = 32
"""Statistics may be cut; a value of so many characters counts as the beginning of an id."""

_ACTIONS: Final = ("add", "remove")
_ID_COLUMNS: Final = tuple(column.encode() for column in (*ID_COLUMNS, "event_id", "example_id"))


@dataclass(frozen=True, slots=True)
class Purged:
    """What was removed from a table's history: data files, and log files rewritten without statistics.

    unreadable: files no version knows, too young to be called broken: somebody may still be writing them.
    """

    files: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def purge(
    lake: Lake,
    name: str,
    person: Person,
    *,
    about_to: Callable[[Sequence[str]], None] = lambda _: None,
) -> Purged:
    """Remove the person from a table's history; repeat it as often as you like.

    `about_to` is told which data files will be deleted before any is.

    Needs a table whose live rows are without the person, and appends that keep them out
    (`sinks.tombstones`): a file with the person's rows that is not live can then never be committed.
    Raises `LakeUnavailable`.
    """
    files = table_files(lake, name)
    try:
        table = lake.table(name)
        # What is live now is known to all who load the table from here on, whatever becomes of older logs.
        table.create_checkpoint()
        alive = {action["path"] for action in live(table)}
        # Listed before and not after: a file that an append commits meanwhile is not on the list of the dead.
        stored = files.all()
        gone, unreadable = _theirs(files, name, person, dead_files(lake, name, stored, alive))
        about_to(gone)
        for path in gone:
            files.delete(path)
        logs = tuple(
            f.path for f in stored if f.path.startswith(LOG) and _strip(files, f.path, alive, person)
        )
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(f"the history of {name} could not be cleaned: {error}") from error
    return Purged(gone, logs, unreadable)


def dead_files(lake: Lake, name: str, stored: list[StoredFile], alive: set[str]) -> list[StoredFile]:
    """Data files that no newest version knows: neither the one read before the listing nor one after."""
    later = {action["path"] for action in live(lake.table(name))}
    return [f for f in stored if is_data(f.path) and f.path not in alive and f.path not in later]


def _theirs(
    files: TableFiles, name: str, person: Person, dead: list[StoredFile]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of files that no newest version knows: those with the person, and those that cannot be read yet."""
    gone, unreadable = [], []
    now_us = time.time_ns() // 1_000
    for file in dead:
        try:
            theirs = holds(files, file.path, name, person)
        except FileNotFoundError:
            continue
        except (OSError, pa.ArrowException):
            # Cut off by a crash, or not written to its end yet.
            theirs = file.written_us + HOUR_US < now_us
            if not theirs:
                unreadable.append(file.path)
        if theirs:
            gone.append(file.path)
    return tuple(gone), tuple(unreadable)


def holds(files: TableFiles, path: str, name: str, person: Person) -> bool:
    """Whether a data file of a table has a row of the person or one that mentions the person."""
    return any(
        person.owns(name, rows).any() or person.mentioned(name, rows).any()
        for rows in row_groups(files, path, needed_columns(name))
    )


def _strip(files: TableFiles, path: str, alive: set[str], person: Person) -> bool:
    """Take statistics that name the person out of a file of the log; whether there were any."""
    if path.endswith(".json"):
        return _strip_commit(files, path, alive, person)
    if ".checkpoint" in path and path.endswith(".parquet"):
        return _strip_checkpoint(files, path, alive, person)
    return False


def _strip_commit(files: TableFiles, path: str, alive: set[str], person: Person) -> bool:
    data = files.read(path)
    # The worker's own appends keep statistics of no ids, and are most of a log.
    if b'"stats"' not in data or not any(column in data for column in _ID_COLUMNS):
        return False
    lines, changed = [], False
    for line in data.splitlines():
        entry = msgspec.json.decode(line) if line.strip() else {}
        for kind in _ACTIONS:
            action = entry.get(kind)
            if action and action.get("path") not in alive and names(action.get("stats"), person):
                del action["stats"]
                changed = True
        lines.append(msgspec.json.encode(entry) if entry else line)
    if changed:
        files.write(path, b"\n".join(lines) + b"\n")
    return changed


def _strip_checkpoint(files: TableFiles, path: str, alive: set[str], person: Person) -> bool:
    with pq.ParquetFile(files.open(path)) as source:
        rows = source.read()
    changed = False
    for kind in _ACTIONS:
        if kind not in rows.column_names:
            continue
        actions = rows[kind].combine_chunks()
        if isinstance(actions, pa.ChunkedArray):
            actions = pa.concat_arrays(actions.chunks)
        paths, stats = actions.field("path").to_pylist(), actions.field("stats").to_pylist()
        kept = [s if p in alive or not names(s, person) else None for p, s in zip(paths, stats, strict=True)]
        if kept == stats:
            continue
        changed = True
        fields = list(actions.type)
        children = [
            pa.array(kept, type=f.type)
            if f.name == "stats"
            else pa.nulls(len(actions), f.type)
            if f.name == "stats_parsed"
            else actions.field(f.name)
            for f in fields
        ]
        place = rows.schema.get_field_index(kind)
        made = pa.StructArray.from_arrays(children, fields=fields, mask=actions.is_null())
        rows = rows.set_column(place, rows.schema.field(place), made)
    if changed:
        target = BytesIO()
        pq.write_table(rows, target)
        files.write(path, target.getvalue())
    return changed


def names(stats: str | None, person: Person) -> bool:
    """Whether statistics of a file, as the log has them, name the person."""
    return bool(stats) and any(_is_of(value, person) for value in bounds_in(stats or ""))


def bounds_in(stats: str) -> list[str]:
    """Smallest and largest values that are text, from the statistics of a file."""
    try:
        known = msgspec.json.decode(stats, type=dict[str, Any])
    except msgspec.DecodeError:
        return [stats]
    groups = (known.get("minValues") or {}, known.get("maxValues") or {})
    return [value for group in groups for value in group.values() if isinstance(value, str)]


def _is_of(value: str, person: Person) -> bool:
    for kind in ID_KINDS:
        ids = person.of(kind)
        if value in ids or (len(value) >= CUT and any(i.startswith(value[: CUT - 1]) for i in ids)):
            return True
    return False
