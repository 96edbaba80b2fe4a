"""Tombstones: what keeps the events of erased people out, wherever they come from.

A person is known by the pseudonym; what names no user (outcomes, signals without one) by keyed hashes of the
person's sessions, requests and events. `Tombstones` is asked twice: by the stream before it joins, and by
every append before it commits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import polars as pl

from contracts.errors import PersonErased
from contracts.tables.persons import PERSONAL, IdKind
from sinks.payloads import named_in
from sinks.pseudonyms import Hashes, Pseudonyms

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from sinks.lake import Lake

__all__ = ["ERASED_KEY", "EVIDENCE", "Hashes", "Tombstones", "any_of"]

ERASED_KEY: Final = "tailrace.erasures"
"""Table property: the version of `erasures` that writers must know before they append."""

EVIDENCE: Final = ("signals", "outcomes")
"""Tables whose rows go with their session, whoever gave them; elsewhere another user's row stays."""


class Tombstones:
    """Erased people, as last read from the lake. Thread-safe."""

    def __init__(self, hashes: Callable[[], Hashes] | None = None) -> None:
        """`hashes` is asked for the keyed hashes once somebody is erased; without it only pseudonyms
        are recognised."""
        self.pseudonyms = Pseudonyms(hashes)
        self._lock = threading.Lock()
        self.version = -1
        self._under = 0
        self._users: frozenset[str] = frozenset()
        self._hashed: dict[IdKind, set[str]] = {}
        self._learned: dict[IdKind, set[str]] = {}

    def __getstate__(self) -> dict[str, object]:
        """For other processes: they read the tombstones themselves."""
        return {"hashes": self.pseudonyms.make}

    def __setstate__(self, state: dict[str, Callable[[], Hashes] | None]) -> None:
        self.__init__(state["hashes"])  # type: ignore[misc]

    def __bool__(self) -> bool:
        """Whether anybody is erased."""
        return bool(self._users)

    def know(self, hashes: Callable[[], Hashes]) -> None:
        """Use these keyed hashes, unless there are some."""
        self.pseudonyms.make = self.pseudonyms.make or hashes

    def refresh(self, lake: Lake) -> bool:
        """Read the tombstones again if there are new ones; whether there were. Raises `LakeUnavailable`."""
        # The translation of errors knows the lake, and the lake knows its tombstones.
        from sinks.lake_errors import translated

        with translated(lake, "erasures", "erased_ids"):
            return self._read(lake)

    def _read(self, lake: Lake) -> bool:
        if not lake.exists("erasures") or (version := lake.version("erasures")) == self.version:
            return False
        users = lake.scan("erasures", version=version).select("user_key").unique().collect()["user_key"]
        hashed: dict[IdKind, set[str]] = {"session": set(), "request": set(), "event": set()}
        if users.len() and lake.exists("erased_ids"):
            ids = lake.scan("erased_ids").select("id_kind", "id_hash").unique().collect()
            for kind, found in hashed.items():
                found.update(ids.filter(id_kind=kind)["id_hash"])
        with self._lock:
            self._hashed, self._users, self.version = hashed, frozenset(users), version
            self._under = 0
        return True

    def learn(self, kind: IdKind, ids: pl.Series) -> None:
        """Count these ids, from refused events, as the person's from now on, in this process."""
        if (hashes := self._keyed()) is not None:
            new = {hashes.tombstone(kind, value) for value in ids.drop_nulls().unique()}
            self._learned.setdefault(kind, set()).update(new)

    def hits(self, name: str, rows: pl.DataFrame, *, learned: bool = True) -> pl.Series:
        """Which rows of a table are an erased person's (boolean). `learned`: also by what was learned."""
        nothing = pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
        if not self or rows.is_empty():
            return nothing
        if PERSONAL[name].payload:
            return pl.Series([self._names_one(*row) for row in rows.select("key", "value").iter_rows()])
        hit = nothing
        columns = {c: kinds for c, kinds in PERSONAL[name].rows.items() if c in rows.columns}
        for column, kinds in columns.items():
            for kind in kinds:
                found = self._found(kind, rows[column], learned)
                if kind == "session" and name not in EVIDENCE and "user_key" in rows.columns:
                    found &= rows["user_key"].is_null()
                hit |= found
        return hit

    def _known(self, kind: IdKind, learned: bool) -> set[str]:
        known = self._hashed.get(kind, set())
        return known | self._learned[kind] if learned and self._learned.get(kind) else known

    def _found(self, kind: IdKind, values: pl.Series, learned: bool) -> pl.Series:
        nothing = pl.repeat(value=False, n=values.len(), dtype=pl.Boolean, eager=True)
        if kind == "user":
            return self._users_in(values)
        hashes, hashed = self._keyed(), self._known(kind, learned)
        if not hashed or hashes is None:
            return nothing
        flat = values.explode() if isinstance(values.dtype, pl.List) else values
        ours = [v for v in flat.drop_nulls().unique() if hashes.tombstone(kind, v) in hashed]
        if not ours:
            return nothing
        return _is_in(values, ours)

    def _users_in(self, values: pl.Series) -> pl.Series:
        """Which pseudonyms are erased people's, whichever key they and the tombstones are under."""
        hashes = self._keyed()
        if hashes is None:
            return _is_in(values, self._users)
        return _is_in(self.pseudonyms.at(values, hashes.version), self._users)

    def _names_one(self, key: bytes | None, value: bytes | None) -> bool:
        hashes = self._keyed()
        if hashes is None or (key is None and value is None):
            return False
        named = named_in(key, value)
        if any(hashes.user_key(user) in self._users for user in named["user_id"]):
            return True
        kinds: tuple[IdKind, ...] = ("request", "session", "event")
        return any(
            hashes.tombstone(kind, v) in self._known(kind, True) for kind in kinds for v in named[kind]
        )

    def _keyed(self) -> Hashes | None:
        hashes = self.pseudonyms.hashes(self.pseudonyms.version)
        if hashes is not None and hashes.version != self._under:
            with self._lock:
                self._bring_under(hashes)
        return hashes

    def _bring_under(self, hashes: Hashes) -> None:
        """Have everything that is compared under the newest key this process has."""
        self._users = frozenset(hashes.raised(key) for key in self._users)
        self._hashed, self._learned = (
            {kind: {hashes.raised_hash(value) for value in known} for kind, known in sets.items()}
            for sets in (self._hashed, self._learned)
        )
        self._under = hashes.version

    def guard(
        self, lake: Lake, table: DeltaTable, name: str, rows: pl.DataFrame, cleared: int | None = None
    ) -> None:
        """Refuse to append rows of an erased person to a table as loaded. Raises `PersonErased`.

        An erasure first writes its tombstone, then changes `ERASED_KEY` of every table: an append under way
        fails to commit and loads the table anew, and one that loads it later sees the property. So no row of
        the person comes in behind the deletion, and without erasures nothing is read at all. `cleared`:
        version of the tombstones that the rows have been sorted out by; they are not looked at again unless
        the table demands a newer one.
        """
        wanted = int(table.metadata().configuration.get(ERASED_KEY) or -1)
        if cleared is not None and wanted <= cleared:
            return
        if wanted > self.version:
            self.refresh(lake)
        if PERSONAL[name].nothing or not self:
            return
        # Not by what was learned: that may have been after these rows were let in.
        if self.hits(name, rows, learned=False).any():
            raise PersonErased(
                f"rows for {name} are of a person who was erased meanwhile",
                hint="Run it again: it is made from what is left.",
            )


def any_of(column: str, dtype: pl.DataType, ids: pl.Series) -> pl.Expr:
    """Whether a column holds any of these ids, alone or in a list (boolean, never null)."""
    wanted = ids.implode()
    if isinstance(dtype, pl.List):
        return pl.col(column).list.eval(pl.element().is_in(wanted)).list.any().fill_null(value=False)
    return pl.col(column).is_in(wanted).fill_null(value=False)


def _is_in(values: pl.Series, ids: Iterable[str]) -> pl.Series:
    return (
        values.to_frame("v")
        .select(any_of("v", values.dtype, pl.Series(list(ids), dtype=pl.String)))
        .to_series()
    )
