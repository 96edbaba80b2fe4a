"""Pseudonyms in the lake while their key is replaced: whoever reads and writes meanwhile.

Every table with pseudonyms says under which key they are (`KEY`), and up to which key its rows have been
rewritten (`REWRITTEN`). Between the two its rows are mixed: readers get all of them under the later key, and
writers' rows are brought under it before they are committed. Both look at the table as loaded, so nothing
else has to be asked, and without a rotation nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import polars as pl

from contracts.errors import KeyOutdated, RotationPending
from contracts.pseudonyms import FIRST, version_of, versions
from contracts.tables import TABLES, frame_schema

if TYPE_CHECKING:
    from deltalake import DeltaTable

KEY: Final = "tailrace.pseudonyms"
"""Table property: number of the key its pseudonyms have to be under."""

REWRITTEN: Final = "tailrace.pseudonyms.rewritten"
"""Table property: number of the key that all its rows are under."""

COLUMNS: Final = {
    **{name: "user_key" for name in TABLES if "user_key" in frame_schema(name)},
    "erased_ids": "id_hash",
}
"""Table → the column that depends on the key."""


class Hashes(Protocol):
    """Keyed hashes of a deployment (`streams.identity.Identity`)."""

    @property
    def version(self) -> int:
        """Number of the newest key."""

    def user_key(self, user_id: str, /) -> str:
        """Pseudonym of a user id."""

    def tombstone(self, kind: str, value: str, /) -> str:
        """Keyed hash of an id by which an erased person's events are known."""

    def raised(self, pseudonym: str, version: int | None = None, /) -> str:
        """A pseudonym under a later key."""

    def raised_hash(self, kept: str, version: int | None = None, /) -> str:
        """A kept hash of an id under a later key."""


class Pseudonyms:
    """What a process knows of keys: its hashes, and the newest key it has met in the lake."""

    def __init__(self, make: Callable[[], Hashes] | None = None) -> None:
        """`make` is called for the hashes when they are needed, and again when the lake has a newer key."""
        self.make = make
        self._hashes: Hashes | None = None
        self.version = FIRST

    def hashes(self, version: int = FIRST) -> Hashes | None:
        """The keyed hashes, with a key of at least this number; None when none were given.

        Raises `KeyOutdated` when this process cannot have that key.
        """
        if self.make is None:
            if version > FIRST:
                raise _outdated(version, None)
            return None
        if self._hashes is None or self._hashes.version < version:
            self._hashes = self.make()
        if self._hashes.version < version:
            raise _outdated(version, self._hashes.version)
        self.version = max(self.version, version)
        return self._hashes

    def check(self, table: DeltaTable) -> None:
        """See that this process has the key a table is under. Raises `KeyOutdated`, `RotationPending`."""
        demanded, _ = state(table)
        hashes = self.hashes(demanded)
        if hashes is not None and hashes.version > demanded:
            raise _pending(hashes.version, demanded)

    def raised(self, pseudonym: str) -> str:
        """A pseudonym under the newest key met in the lake."""
        if version_of(pseudonym) >= self.version:
            return pseudonym
        hashes = self.hashes(self.version)
        return pseudonym if hashes is None else hashes.raised(pseudonym, self.version)

    def current(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with `user_key` under the newest key met in the lake."""
        if self.version == FIRST or "user_key" not in rows.columns:
            return rows
        return rows.with_columns(self._raise(rows["user_key"], "user_key", self.version))

    def at(self, pseudonyms: pl.Series, version: int) -> pl.Series:
        """Pseudonyms under a key this process has; later ones stay as they are."""
        return self._raise(pseudonyms, "user_key", version)

    def on_read(self, name: str, table: DeltaTable, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Rows of a table as loaded, all under the key it has to be under."""
        column = COLUMNS.get(name)
        if column is None:
            return rows
        demanded, rewritten = state(table)
        if demanded > self.version:
            self.version = demanded
        if demanded == rewritten:
            return rows
        return rows.with_columns(
            pl.col(column).map_batches(
                lambda values: self._raise(values, column, demanded), return_dtype=pl.String
            )
        )

    def on_append(self, name: str, table: DeltaTable, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows for a table as loaded, under the key it has to be under.

        Raises `KeyOutdated` when this process does not have that key, `RotationPending` when it has hashed
        them under a newer one.
        """
        column = COLUMNS.get(name)
        if column is None or rows.is_empty():
            return rows
        demanded, _ = state(table)
        newest = int(versions(rows[column]).max() or FIRST)  # type: ignore[arg-type]
        if newest > demanded:
            raise _pending(newest, demanded)
        if demanded == FIRST:
            return rows
        self.version = max(self.version, demanded)
        return rows.with_columns(self._raise(rows[column], column, demanded))

    def _raise(self, values: pl.Series, column: str, version: int) -> pl.Series:
        older = values.filter((versions(values) < version).fill_null(value=False)).unique()
        if older.is_empty():
            return values
        hashes = self.hashes(version)
        if hashes is None:
            raise _outdated(version, None)
        raise_one = hashes.raised_hash if column == "id_hash" else hashes.raised
        return values.replace(older, pl.Series([raise_one(value, version) for value in older]))


def state(table: DeltaTable) -> tuple[int, int]:
    """Numbers of the keys that a table's rows have to be, and all are, under."""
    properties = table.metadata().configuration
    return int(properties.get(KEY) or FIRST), int(properties.get(REWRITTEN) or FIRST)


def _outdated(version: int, known: int | None) -> KeyOutdated:
    have = "has none" if known is None else f"has {known}"
    return KeyOutdated(
        f"the lake is under pseudonym key {version}, and this process {have}",
        hint="Start it again with the key in force: share the key file, or set privacy.pseudonym_key and "
        "privacy.previous_pseudonym_keys. `tailrace keys status` shows where the lake stands.",
    )


def _pending(version: int, demanded: int) -> RotationPending:
    return RotationPending(
        f"this process uses pseudonym key {version}, and the lake is under key {demanded}",
        hint="Run `tailrace keys rotate` with the same settings; writers wait for it.",
    )
