"""Taking rows out of a Delta table for good, beside running writers: files that hold them are written anew.

deltalake's own DELETE would write the predicate, and with it the person's ids, into the log; and nothing
there keeps a merge of files that runs at the same time from bringing the rows back
(`maintenance_compaction`). So each attempt claims the table, as merges do: a merge begun before fails to
commit, and one that claims after us makes our commit fail. Appends go on: one under way at the claim is
repeated once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from contracts.errors import CommitFenced
from contracts.settings import LakeSettings
from contracts.tables import is_partitioned
from sinks.erasure.storage import TableFiles, as_frame, plain_schema, row_groups, table_files
from sinks.files import BOUNDED, add_action
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.maintenance_compaction import CLAIM_KEY, COMPRESSION_LEVEL, claim

MOST_ATTEMPTS: Final = 12
PAUSE_S: Final = 0.25

REASON_KEY: Final = "tailrace.reason"
"""In a commit: why rows were taken out."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of the rows of a table.

    columns: what the decision needs. leaves: which rows go (boolean), from those columns. altered: rows that
    stay, in another form; None for rows that stay as they are. alters: which rows that would change.
    """

    columns: Sequence[str]
    leaves: Callable[[pl.DataFrame], pl.Series]
    alters: Callable[[pl.DataFrame], pl.Series] | None = None
    altered: Callable[[pl.DataFrame], pl.DataFrame] | None = None


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What it came to: rows looked at, rows that went, rows altered, and files replaced."""

    rows_before: int = 0
    removed: int = 0
    altered: int = 0
    files: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """For certificates and `--json`."""
        return {"before": self.rows_before, "removed": self.removed, "altered": self.altered}


@dataclass(frozen=True, slots=True)
class _Hit:
    """A live file with rows to change."""

    action: dict[str, Any]
    rows: int
    removed: int
    altered: int


def look(
    lake: Lake, name: str, change: Change, *, only: Callable[[dict[str, Any]], bool] | None = None
) -> Rewritten:
    """What `rewrite` would do. Reads only the columns the decision needs. Raises `LakeUnavailable`."""
    with translated(lake, name):
        return _summary(*_hits(table_files(lake, name), lake.table(name), change, only))


def rewrite(
    lake: Lake,
    name: str,
    change: Change,
    options: LakeSettings,
    *,
    reason: str,
    only: Callable[[dict[str, Any]], bool] | None = None,
    about_to: Callable[[Rewritten], None] = lambda _: None,
) -> Rewritten:
    """Apply a change to every live row in one commit; nothing is written when there is nothing to change.

    `only`: which files to look at, by their add action. `about_to` is told what will be done before it is: a
    run after a kill finds nothing to do, and cannot tell what was done. The replaced files stay until
    something deletes them. Raises `CommitFenced` when other writers keep winning, `LakeUnavailable`,
    `LakeDamaged`.
    """
    if not (seen := look(lake, name, change, only=only)).files:
        return seen
    about_to(seen)
    for attempt in range(MOST_ATTEMPTS):
        time.sleep(attempt * PAUSE_S)
        try:
            mark = claim(lake, name, options)
            with translated(lake, name):
                done = _attempt(lake, name, change, only, mark, reason)
        except (CommitFailedError, CommitFenced):
            continue
        if done is not None:
            return done
    raise CommitFenced(f"other writers keep changing {name}", hint="Run it again; what is done stays done.")


def _attempt(
    lake: Lake,
    name: str,
    change: Change,
    only: Callable[[dict[str, Any]], bool] | None,
    mark: str,
    reason: str,
) -> Rewritten | None:
    """One try; None when somebody claimed the table after us. Raises `CommitFailedError`."""
    table = lake.table(name)
    if table.metadata().configuration.get(CLAIM_KEY) != mark:
        return None
    files = table_files(lake, name)
    rows, hits = _hits(files, table, change, only)
    if not hits:
        return Rewritten(rows)
    added: list[AddAction] = []
    try:
        for hit in (hit for hit in hits if hit.removed < hit.rows):
            added += [_written(files, hit.action, change)]
        table.create_write_transaction(
            [*(_remove(name, hit.action) for hit in hits), *added],
            "append",
            table.schema(),
            partition_by="date" if is_partitioned(name) else None,
            commit_properties=CommitProperties(custom_metadata={REASON_KEY: reason}),
        )
    except (CommitFailedError, DeltaError, OSError):
        for action in added:
            files.delete(action.path)
        raise
    return _summary(rows, hits)


def _summary(rows: int, hits: list[_Hit]) -> Rewritten:
    return Rewritten(
        rows,
        sum(hit.removed for hit in hits),
        sum(hit.altered for hit in hits),
        tuple(hit.action["path"] for hit in hits),
    )


def live(table: DeltaTable) -> list[dict[str, Any]]:
    """Add actions of the live files of a table."""
    return pl.DataFrame(table.get_add_actions(flatten=True)).to_dicts()


def _hits(
    files: TableFiles, table: DeltaTable, change: Change, only: Callable[[dict[str, Any]], bool] | None
) -> tuple[int, list[_Hit]]:
    """Rows looked at, and the files with rows to change."""
    found, height = [], 0
    for action in live(table):
        if only is not None and not only(action):
            continue
        here = removed = altered = 0
        for rows in row_groups(files, action["path"], list(change.columns)):
            here += rows.height
            leaves = change.leaves(rows)
            removed += int(leaves.sum())
            if change.alters is not None:
                altered += int((change.alters(rows) & ~leaves).sum())
        height += here
        if removed or altered:
            found.append(_Hit(action, here, removed, altered))
    return height, found


def _written(files: TableFiles, action: dict[str, Any], change: Change) -> AddAction:
    """Write what is left of a file into a new one, row group by row group."""
    source = pq.ParquetFile(files.open(action["path"]))
    # A file of a table is bounded (`lake.target_file_mb`), and what is left of one is no larger.
    target, schema = BytesIO(), plain_schema(source.schema_arrow)
    bounds: list[pl.DataFrame] = []
    try:
        with pq.ParquetWriter(
            target, schema, compression="zstd", compression_level=COMPRESSION_LEVEL
        ) as writer:
            for group in range(source.num_row_groups):
                left = _left(source.read_row_group(group).cast(schema), change)
                if left.num_rows:
                    writer.write_table(left)
                    bounds.append(as_frame(left.select(_bounded(left.column_names))))
    finally:
        source.close()
    folder = action["path"].rpartition("/")[0]
    path = f"{folder}/" * bool(folder) + f"part-{uuid.uuid4()}.zstd.parquet"
    files.write(path, target.getvalue())
    return add_action(path, len(target.getvalue()), _partition(action), pl.concat(bounds))


def _bounded(columns: list[str]) -> list[str]:
    """Columns whose bounds go into the log; one column at least, to count by."""
    return [c for c in BOUNDED if c in columns] or columns[:1]


def _left(rows: pa.Table, change: Change) -> pa.Table:
    """Rows that stay, in the types of their file; altered where they have to be."""
    given = as_frame(rows.select([c for c in change.columns if c in rows.column_names]))
    stays = ~change.leaves(given)
    left = rows.filter(stays.to_arrow())
    if change.alters is None or change.altered is None or not left.num_rows:
        return left
    kept = given.filter(stays)
    if not change.alters(kept).any():
        return left
    altered = change.altered(kept)
    for column in altered.columns:
        if not altered[column].equals(kept[column], null_equal=True):
            place = left.schema.get_field_index(column)
            values = altered[column].to_arrow().cast(left.schema.field(column).type)
            left = left.set_column(place, left.schema.field(column), values)
    return left


def _partition(action: dict[str, Any]) -> dict[str, str | None]:
    day = action.get("partition.date")
    return {} if day is None else {"date": str(day)}


def _remove(name: str, action: dict[str, Any]) -> RemoveAction:
    return RemoveAction(
        path=action["path"],
        data_change=True,
        deletion_timestamp=time.time_ns() // 1_000_000,
        size=action["size_bytes"],
        partition_values=_partition(action) if is_partitioned(name) else {},
    )
