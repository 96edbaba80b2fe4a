"""A person as the lake knows one: ids by what they name, and whether a row is theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import polars as pl

from contracts.pseudonyms import FIRST, version_of, versions
from contracts.tables.persons import ID_KINDS, PERSONAL, IdKind
from sinks.payloads import named_in
from sinks.tombstones import EVIDENCE, any_of

REMOVED: Final = "erased"
"""Stands in a list where an id of the person was: `settle` then sees that the row is to be joined again."""

EXAMPLE_SEPARATOR: Final = "/"


@dataclass(frozen=True)
class Person:
    """Ids of a person by kind; `pseudonym` turns raw user ids, as original bytes have them, into keys.

    `raised` brings pseudonyms of an earlier key, as older files have them, under that of `user_key`.

    `loose`: those of the events that nothing but their own id tells as the person's: neither user nor
    request nor session.
    """

    user_key: str
    pseudonym: Callable[[str], str]
    raised: Callable[[str], str] = str
    ids: Mapping[IdKind, frozenset[str]] = field(default_factory=dict)
    loose: frozenset[str] = frozenset()

    def of(self, kind: IdKind) -> frozenset[str]:
        """Ids of a kind."""
        return frozenset({self.user_key}) if kind == "user" else self.ids.get(kind, frozenset())

    def with_ids(self, kind: IdKind, more: Iterable[str]) -> Person:
        """The person with further ids."""
        return replace(self, ids={**self.ids, kind: self.of(kind) | frozenset(more)})

    @cached_property
    def _series(self) -> dict[IdKind, pl.Series]:
        return {kind: pl.Series(sorted(self.of(kind)), dtype=pl.String) for kind in ID_KINDS}

    def owns(self, name: str, rows: pl.DataFrame) -> pl.Series:
        """Which rows of a table are the person's (boolean). Columns that older files lack match nothing."""
        how = PERSONAL[name]
        if how.payload:
            given = [
                rows[c] if c in rows.columns else pl.repeat(None, rows.height, eager=True)
                for c in how.payload
            ]
            return pl.Series([self.sent(*row) for row in zip(*given, strict=True)], dtype=pl.Boolean)
        tests = [
            self._test(name, column, kind, rows)
            for column, kinds in how.rows.items()
            if column in rows.columns
            for kind in kinds
            if self.of(kind)
        ]
        if not tests:
            return pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
        return self.current(rows).select(pl.any_horizontal(tests)).to_series()

    def current(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with every pseudonym under the key of the person's own."""
        mine = version_of(self.user_key)
        if mine == FIRST or "user_key" not in rows.columns:
            return rows
        keys = rows["user_key"]
        older = keys.filter((versions(keys) < mine).fill_null(value=False)).unique()
        if older.is_empty():
            return rows
        return rows.with_columns(keys.replace(older, pl.Series([self.raised(key) for key in older])))

    def _test(self, name: str, column: str, kind: IdKind, rows: pl.DataFrame) -> pl.Expr:
        if kind == "example":
            pair = pl.concat_str("drop_id", column, separator=EXAMPLE_SEPARATOR)
            return pair.is_in(self._series[kind].implode()).fill_null(value=False)
        found = any_of(column, rows.schema[column], self._series[kind])
        if kind == "session" and name not in EVIDENCE and "user_key" in rows.columns:
            found &= pl.col("user_key").is_null()
        return found

    def sent(self, key: bytes | None, value: bytes | None) -> bool:
        """Whether a message in its original bytes names the person."""
        if key is None and value is None:
            return False
        named = named_in(key, value)
        if any(self.pseudonym(user) == self.user_key for user in named["user_id"]):
            return True
        kinds: tuple[IdKind, ...] = ("request", "session", "event")
        return any(named[kind] & self.of(kind) for kind in kinds)

    def mentioned(self, name: str, rows: pl.DataFrame) -> pl.Series:
        """Which rows mention the person in a column that is not about whose they are (boolean)."""
        tests = [
            any_of(column, rows.schema[column], self._series[kind])
            for column, kind in PERSONAL[name].mentions.items()
            if column in rows.columns and self.of(kind)
        ]
        if not tests:
            return pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
        return rows.select(pl.any_horizontal(tests)).to_series()

    def without_mentions(self, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows whose mentions of the person are taken out: null alone, `REMOVED` in a list."""
        changed = []
        for column, kind in PERSONAL[name].mentions.items():
            if column not in rows.columns or not self.of(kind):
                continue
            wanted = self._series[kind].implode()
            if isinstance(rows.schema[column], pl.List):
                ours = pl.element().is_in(wanted)
                inside = pl.when(ours).then(pl.lit(REMOVED)).otherwise(pl.element())
                changed.append(pl.col(column).list.eval(inside))
            else:
                changed.append(pl.when(~pl.col(column).is_in(wanted)).then(pl.col(column)).alias(column))
        return rows.with_columns(changed)


def needed_columns(name: str, *, mentions: bool = True) -> list[str]:
    """Columns by which rows of a table are told."""
    how = PERSONAL[name]
    columns = [*how.rows, *how.payload, *(how.mentions if mentions else ())]
    if any("example" in kinds for kinds in how.rows.values()) and "drop_id" not in columns:
        columns.append("drop_id")
    return columns
