"""The lake: Delta tables under one root, read as polars frames."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from contracts import reasons
from contracts.errors import LakeNotWritable, LakeUnavailable, TerminalError
from contracts.pseudonyms import FIRST
from contracts.sections.lake import StoreSettings
from contracts.settings import LakeSettings
from contracts.tables import TABLES, frame_schema, is_partitioned
from sinks.lake_schema import arrow_schema, in_contract, widen
from sinks.maintenance_properties import table_properties
from sinks.maintenance_watermarks import WATERMARK_KEY, read_watermarks
from sinks.pseudonyms import COLUMNS, KEY, REWRITTEN, Pseudonyms
from sinks.stores import MAIN, Store, Stores
from sinks.tombstones import Hashes, Tombstones

__all__ = ["WATERMARK_KEY", "Lake"]

MAINTENANCE_OPERATIONS: Final = frozenset(
    {"OPTIMIZE", "SET TBLPROPERTIES", "VACUUM START", "VACUUM END", "ADD COLUMN"}
)
"""Operations in a Delta log that change no row."""

_NEAR: Final = 20


class Lake:
    """All tables under one root, a folder or an object-store prefix; some may lie in stores of their own.

    Readers return `polars.LazyFrame`s, so filters and column choices reach the Parquet files.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        storage_options: dict[str, str] | None = None,
        stores: Mapping[str, StoreSettings] | None = None,
        hashes: Callable[[], Hashes] | None = None,
    ) -> None:
        """`stores`: tables that lie elsewhere, see `sinks.stores`. `hashes`: keyed hashes by which rows of
        erased people are known that name no user. Raises `SettingsError` for stores of no table."""
        self.root = str(root)
        self.stores = Stores(Store(MAIN, self.root, dict(storage_options or {})), stores)
        self.tombstones = Tombstones(hashes)

    def __repr__(self) -> str:
        return f"Lake({self.root!r})"

    @property
    def pseudonyms(self) -> Pseudonyms:
        """Under which key pseudonyms are read and written."""
        return self.tombstones.pseudonyms

    def uri(self, name: str) -> str:
        """Where a table lies."""
        return self.stores.of(name).uri(name)

    def folder(self, name: str) -> Path | None:
        """Where a table lies, as a folder of this machine; None in an object store."""
        return None if self.stores.of(name).folder is None else Path(self.uri(name))

    def options(self, name: str) -> dict[str, str]:
        """Storage options of a table's store; they may hold secrets."""
        return dict(self.stores.of(name).options)

    def create(self, options: LakeSettings | None = None) -> None:
        """Create missing tables. Do this before workers start: concurrent creation breaks one.

        `options` give file size and retention of the new tables; maintenance brings those of older
        ones in line. Raises `LakeNotWritable` when the root cannot be written.
        """
        options = options or LakeSettings()
        for store in self.stores.all():
            if store.folder is None:
                continue
            try:
                store.folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=store.folder):
                    pass
            except OSError as error:
                raise LakeNotWritable(
                    f"{store} cannot be written: {error.strerror}",
                    hint="Choose another --home (or TAILRACE_LAKE__ROOT) or correct its permissions.",
                ) from None
        keys = self._key_properties()
        for name in TABLES:
            if self.exists(name):
                self._widen(name)
                continue
            try:
                DeltaTable.create(
                    self.uri(name),
                    schema=arrow_schema(name),
                    name=name,
                    description=(TABLES[name].__doc__ or "").strip().splitlines()[0],
                    partition_by=["date"] if is_partitioned(name) else None,
                    mode="ignore",
                    configuration=table_properties(
                        name, target_file_mb=options.target_file_mb, retention_days=options.retention_days
                    ),
                    storage_options=self.options(name),
                )
                if keys and name in COLUMNS:
                    # Properties of our own are refused at creation.
                    self.table(name).alter.set_table_properties(keys, raise_if_not_exists=False)
            except (DeltaError, OSError) as error:
                raise LakeNotWritable(
                    f"table {name} could not be created in {self.stores.of(name)}: {error}",
                    hint="Check that the path exists and the credentials allow writing.",
                ) from None

    def _key_properties(self) -> dict[str, str]:
        """Under which key pseudonyms of a new table are: that of the lake, in a new lake the newest."""
        if self.exists("interactions"):
            known = self.table("interactions").metadata().configuration
            return {each: known[each] for each in (KEY, REWRITTEN) if each in known}
        hashes = self.pseudonyms.hashes()
        newest = FIRST if hashes is None else hashes.version
        return {} if newest == FIRST else dict.fromkeys((KEY, REWRITTEN), str(newest))

    def _widen(self, name: str) -> None:
        """Give a table of an older release the columns it lacks. Raises `LakeNotWritable`."""
        try:
            widen(self.table(name), name)
        except CommitFailedError:
            # Another process was first; what it added is there, and the next append adds the rest.
            return
        except (DeltaError, OSError) as error:
            raise LakeNotWritable(
                f"table {name} could not be given new columns: {error}",
                hint="Check that the credentials allow writing.",
            ) from None

    def exists(self, name: str) -> bool:
        """Whether a table has been created.

        A table whose own store cannot be read is never said to be missing: whoever counts, erases or
        creates would go by it. Raises `StoreUnavailable` then.
        """
        store = self.stores.of(name)
        try:
            found = bool(DeltaTable.is_deltatable(self.uri(name), storage_options=self.options(name)))
        except (DeltaError, OSError) as error:
            if store is self.stores.main:
                raise
            raise store.unavailable(name, type(error).__name__) from error
        if not found and store is not self.stores.main and not store.may_be_read() and not self._is_new():
            raise store.unavailable(name, "no access, or it is not there")
        return found

    def _is_new(self) -> bool:
        """Whether nothing was created yet."""
        home = self.stores.main
        return not DeltaTable.is_deltatable(home.uri("drops"), storage_options=dict(home.options))

    def require_writable(self) -> None:
        """Raise `TerminalError` when nothing may be written through this object."""

    def require(self) -> Lake:
        """Return self, or raise `TerminalError` when there is no lake here yet."""
        if not self.exists("interactions"):
            raise TerminalError(
                f"there is no lake at {self.root}",
                hint="Run `tailrace worker` or `tailrace demo` first, or point --home at an existing one.",
            )
        return self

    def table(self, name: str, *, version: int | None = None) -> DeltaTable:
        """Load a table at its newest, or at a given, version."""
        try:
            return DeltaTable(self.uri(name), version=version, storage_options=self.options(name))
        except TableNotFoundError as error:
            if (store := self.stores.of(name)) is not self.stores.main and not store.may_be_read():
                raise store.unavailable(name, "no access, or it is not there") from error
            raise TerminalError(
                f"table {name} is missing in {store}",
                hint="Run `tailrace worker` or `tailrace demo` first, or point --home at an existing lake.",
            ) from error
        except (DeltaError, OSError) as error:
            if (store := self.stores.of(name)) is not self.stores.main:
                raise store.unavailable(name, type(error).__name__) from error
            raise LakeUnavailable(f"table {name} could not be read: {error}") from error

    def version(self, name: str) -> int:
        """Newest version of a table."""
        return int(self.table(name).version())

    def content_version(self, name: str) -> int:
        """Newest version that changed rows: merges, claims and vacuums since then count for nothing.

        Reading it gives what the newest version gives. With no such commit in the log any more it is the
        newest version.
        """
        table = self.table(name)
        newest = int(table.version())
        for depth in (_NEAR, newest + 1):
            for commit in table.history(depth):
                if commit["operation"] not in MAINTENANCE_OPERATIONS:
                    return int(commit["version"])
        return newest

    def scan(self, name: str, *, version: int | None = None) -> pl.LazyFrame:
        """All rows of a table, in the order of its contract, optionally as of a Delta version.

        Columns that a table of an older release lacks are null.
        """
        table = self.table(name, version=version)
        if not table.file_uris():
            return pl.LazyFrame(schema=frame_schema(name))
        return self.pseudonyms.on_read(name, table, in_contract(name, pl.scan_delta(table)))

    def sound(self, name: str, *, version: int | None = None) -> pl.LazyFrame:
        """Bronze rows of a table without poison: events that a later step could not take, kept as dead
        letters though bronze had them already."""
        rows = self.scan(name, version=version)
        poison = (
            self.scan("dead_letters")
            .filter(reason=reasons.POISON)
            .select(
                "partition",
                "offset",
                "received_at",
                event_id=pl.col("value").cast(pl.String, strict=False).str.json_path_match("$.event_id"),
            )
            .collect()
        )
        if poison.is_empty():
            return rows
        # Bytes that Kafka had deleted name no event: then place and time must do.
        for found, key in (
            (poison.filter(pl.col("event_id").is_not_null()), "event_id"),
            (poison.filter(pl.col("event_id").is_null()), "received_at"),
        ):
            rows = rows.join(found.lazy(), on=["partition", "offset", key], how="anti", maintain_order="left")
        return rows

    def events(self, name: str, *, version: int | None = None) -> pl.LazyFrame:
        """Bronze rows of a table, each event once (the first one consumed).

        Rows that the worker marked as duplicates are skipped; repeats it could not see (the first
        copy's window had long closed) are dropped here.
        """
        key = "request_id" if name == "requests" else "event_id"
        return (
            self.sound(name, version=version)
            .filter(~pl.col("duplicate"))
            .sort("partition", "offset")
            .unique(key, keep="first", maintain_order=True)
        )

    def requests(self, *, version: int | None = None) -> pl.LazyFrame:
        """LLM calls with their text, each once."""
        return self.events("requests", version=version)

    def signals(self, *, version: int | None = None) -> pl.LazyFrame:
        """User signals, each once."""
        return self.events("signals", version=version)

    def outcomes(self, *, version: int | None = None) -> pl.LazyFrame:
        """Downstream outcomes, each once (replaced ones included)."""
        return self.events("outcomes", version=version)

    def consents(self, *, version: int | None = None) -> pl.LazyFrame:
        """Consent changes, each once."""
        return self.events("consents", version=version)

    def interactions(
        self, *, as_of: datetime | None = None, revisions: bool = False, version: int | None = None
    ) -> pl.LazyFrame:
        """Joined and scored requests: the `current` view, one row per request.

        With `as_of` only revisions whose evidence all happened at or before that time are seen, so
        an outcome of day 9 does not leak into a view of day 1. With `revisions` every revision is
        returned.
        """
        # A request repeated at another time after its window was forgotten has a first revision twice: the
        # one consumed first counts, as it does for the request itself.
        rows = self.scan("interactions", version=version).sort(
            "request_id", "revision", "partition", "offset", descending=[False, True, False, False]
        )
        if as_of is not None or revisions:
            rows = rows.unique(["request_id", "revision"], keep="first", maintain_order=True)
        if as_of is not None:
            rows = rows.filter(pl.col("evidence_until") <= as_of)
        if revisions:
            return rows
        return rows.unique("request_id", keep="first", maintain_order=True)

    def watermarks(self) -> dict[int, int]:
        """Watermark per Kafka partition at its last settlement, UTC microseconds."""
        return read_watermarks(self.table("interactions"))
