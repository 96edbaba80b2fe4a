"""Appends to Delta that happen exactly once, whatever crashes or repeats.

deltalake does not skip a repeated transaction version by itself, so these functions do. The order:

1. Load the newest version of the table.
2. Drop rows the table already holds, judged by its transaction versions.
3. Write the rest through *that same* table object with new transaction versions.
4. If another writer committed one of our transaction ids in between, the commit fails: a zombie
   worker is fenced here. Go to 1.

Step 2 after every reload is what makes the retry safe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from contracts.errors import CommitFenced, Overtaken
from contracts.tables import frame_schema, is_partitioned, validate
from sinks.files import write_files
from sinks.lake import WATERMARK_KEY, Lake
from sinks.lake_errors import translated
from sinks.lake_schema import widen

_REVISION = ["request_id", "revision"]
MAX_FENCED = 8
"""Times a fenced commit is filtered again before giving up for this attempt."""


def offset_app_id(origin: str, partition: int) -> str:
    """Transaction id of a bronze table: one per topic-partition, its version is the last offset."""
    return f"{origin}/{partition}"


def stored_offset(table: DeltaTable, origin: str, partition: int) -> int:
    """Last offset of a topic-partition that the table holds, -1 for none."""
    version = table.transaction_version(offset_app_id(origin, partition))
    return -1 if version is None else int(version)


def append_messages(
    lake: Lake, name: str, origin: str, rows: pl.DataFrame, *, cleared: int | None = None
) -> int:
    """Append rows of one topic to a bronze table, skipping offsets it already holds.

    `origin` names the topic and its incarnation: offsets of a recreated topic are new ones. `rows` has
    the table's columns. `cleared`: version of the tombstones that the rows were freed of erased people by.
    Returns how many rows were written. Raises `LakeUnavailable`
    (transient), `LakeDamaged`, `TableInvalid`, or `CommitFenced` when other writers keep winning.
    """

    def unseen(table: DeltaTable) -> tuple[pl.DataFrame, list[Transaction]]:
        last = {p: stored_offset(table, origin, p) for p in rows["partition"].unique().to_list()}
        fresh = rows.filter(
            pl.col("offset")
            > pl.col("partition").replace_strict(list(last), list(last.values()), return_dtype=pl.Int64)
        )
        tops = fresh.group_by("partition").agg(pl.col("offset").max())
        return fresh, [Transaction(offset_app_id(origin, p), o) for p, o in tops.iter_rows()]

    return _append(lake, name, rows, unseen, cleared=cleared)


def append_revisions(
    lake: Lake,
    rows: pl.DataFrame,
    *,
    watermarks: Mapping[int, int] | None = None,
    written: dict[str, int] | None = None,
    cleared: int | None = None,
) -> int:
    """Append interactions, skipping (request, revision) pairs the table already holds.

    One transaction id per Kafka partition fences concurrent writers (a zombie, or `settle`).
    `watermarks` (partition → UTC microseconds) are kept in the commit's metadata for `status`.
    `written` is the caller's memory of the transaction versions it committed last: while they are
    still the newest nobody else has written, and the look-up of held rows is saved. `cleared`: as in
    `append_messages`.
    """
    memory = {} if written is None else written

    def unseen(table: DeltaTable) -> tuple[pl.DataFrame, list[Transaction]]:
        partitions = sorted(rows["partition"].unique().to_list())
        ids = [f"interactions/{p}" for p in partitions]
        versions = [table.transaction_version(i) for i in ids]
        transactions = [Transaction(i, (v or 0) + 1) for i, v in zip(ids, versions, strict=True)]
        if all(v == memory.get(i) for i, v in zip(ids, versions, strict=True)):
            return rows, transactions
        return _not_held(table, rows, _REVISION), transactions

    metadata = {WATERMARK_KEY: json.dumps(dict(watermarks))} if watermarks else None

    def remember(transactions: list[Transaction]) -> None:
        memory.update({t.app_id: t.version for t in transactions})

    return _append(lake, "interactions", rows, unseen, metadata=metadata, committed=remember, cleared=cleared)


def new_revisions(lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    """The interactions whose (request, revision) pair the table does not hold yet.

    For whoever must know before the append, to announce nothing twice. Raises `LakeUnavailable`.
    """
    if rows.is_empty():
        return rows
    with translated(lake, "interactions"):
        return _not_held(lake.table("interactions"), rows, _REVISION)


def _not_held(table: DeltaTable, rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    held = (
        pl.scan_delta(table)
        .filter(pl.col("date").is_in(rows["date"].unique().to_list()))
        .select(key)
        .join(rows.lazy().select(key), on=key, how="semi")
        .collect()
    )
    return rows.join(held, on=key, how="anti", maintain_order="left")


def append_once(
    lake: Lake,
    name: str,
    rows: pl.DataFrame,
    *,
    batch_id: str,
    version: int = 1,
    fences: Mapping[str, int] | None = None,
) -> int:
    """Append a whole batch once: a second call with the same `batch_id` writes nothing.

    An empty batch writes nothing. Batches that share an id are told by rising `version`s: one that is not
    above what the table holds writes nothing. `fences` (id → version) go into the same commit: raises
    `Overtaken` when the table holds that version of one, or a higher one, already.
    """

    def unseen(table: DeltaTable) -> tuple[pl.DataFrame, list[Transaction]]:
        if (table.transaction_version(batch_id) or 0) >= version:
            return rows.clear(), []
        for job, place in (fences or {}).items():
            if (table.transaction_version(job) or 0) >= place:
                raise Overtaken(f"{name}: somebody else was first for {job}", job=job)
        return rows, [Transaction(*each) for each in {batch_id: version, **(fences or {})}.items()]

    return _append(lake, name, rows, unseen)


def append_absent(
    lake: Lake,
    name: str,
    rows: pl.DataFrame,
    *,
    fences: Sequence[str],
    absent: Callable[[DeltaTable, pl.DataFrame], pl.DataFrame],
) -> int:
    """Append the rows that a table does not hold, whoever else is appending to it.

    `absent` takes the table as loaded and all rows, and returns those it lacks. `fences` are transaction
    ids that every writer of such rows uses: two that append at once cannot both commit what they found
    absent, the later one looks again. Returns how many rows were written; raises as `append_messages`.
    """

    def unseen(table: DeltaTable) -> tuple[pl.DataFrame, list[Transaction]]:
        versions = [(fence, table.transaction_version(fence)) for fence in fences]
        return absent(table, rows), [Transaction(fence, (version or 0) + 1) for fence, version in versions]

    return _append(lake, name, rows, unseen)


def append_new(lake: Lake, name: str, rows: pl.DataFrame, *, key: str, same_day: bool = False) -> int:
    """Append the rows whose key the table does not hold yet; returns how many were written.

    For small tables: the keys there are read each time. Where a key always comes with the same `date`,
    `same_day` reads only those days. A concurrent writer is fenced and filters again, so a key is there
    once. Raises as `append_once` does.
    """
    first = rows.unique(key, keep="first", maintain_order=True)

    def absent(table: DeltaTable, wanted: pl.DataFrame) -> pl.DataFrame:
        if not table.file_uris():
            return wanted
        if same_day:
            return _not_held(table, wanted, [key])
        held = pl.scan_delta(table).select(key).join(wanted.lazy().select(key), on=key, how="semi").collect()
        return wanted.join(held, on=key, how="anti", maintain_order="left")

    return append_absent(lake, name, first, fences=[f"{name}/{key}"], absent=absent)


def _append(
    lake: Lake,
    name: str,
    rows: pl.DataFrame,
    unseen: Callable[[DeltaTable], tuple[pl.DataFrame, list[Transaction]]],
    *,
    metadata: dict[str, str] | None = None,
    committed: Callable[[list[Transaction]], None] | None = None,
    cleared: int | None = None,
) -> int:
    if rows.is_empty():
        return 0
    lake.require_writable()
    validate(name, rows)
    for _ in range(MAX_FENCED):
        try:
            with translated(lake, name):
                table = lake.table(name)
                widen(table, name)
                fresh, transactions = unseen(table)
                if fresh.is_empty():
                    return 0
                fresh = lake.pseudonyms.on_append(name, table, fresh)
                lake.tombstones.guard(lake, table, name, fresh, cleared)
                properties = CommitProperties(custom_metadata=metadata, app_transactions=transactions)
                add_rows(lake, table, name, fresh.select(list(frame_schema(name))), properties)
        except CommitFailedError:
            continue
        if committed:
            committed(transactions)
        return fresh.height
    raise CommitFenced(
        f"other writers keep committing to {name} for the same partitions",
        hint="Is a second worker group writing to this lake?",
    )


def add_rows(
    lake: Lake, table: DeltaTable, name: str, rows: pl.DataFrame, properties: CommitProperties
) -> None:
    """Commit rows to a table as loaded: fails when a transaction id moved on since."""
    partition_by = "date" if is_partitioned(name) else None
    if (folder := lake.folder(name)) is not None:
        table.create_write_transaction(
            write_files(folder, rows, partition_by=partition_by),
            "append",
            table.schema(),
            partition_by=partition_by,
            commit_properties=properties,
        )
    else:
        write_deltalake(table, rows, mode="append", partition_by=partition_by, commit_properties=properties)
