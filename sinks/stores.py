"""Where tables lie: all in one store, or some in stores of their own, with other credentials.

Texts can so be kept from whoever only needs figures: `lake.stores` of the settings names a table, or the
group `text` (`contracts.tables.texts`), and where it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.errors import LakeUnavailable, SettingsError
from contracts.sections.lake import StoreSettings
from contracts.tables import TABLES
from contracts.tables.texts import TEXT_TABLES

MAIN: Final = "main"
TEXT: Final = "text"


class StoreUnavailable(LakeUnavailable):
    """A store of its own cannot be read: it is away, or this process has no right to it."""


@dataclass(frozen=True)
class Store:
    """A root for tables. The options may hold secrets and are never shown."""

    name: str
    root: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def folder(self) -> Path | None:
        """The root as a folder of this machine; None for object stores."""
        return None if "://" in self.root else Path(self.root)

    def uri(self, table: str) -> str:
        """Where a table lies."""
        return f"{self.root.rstrip('/')}/{table}"

    def __str__(self) -> str:
        """For messages."""
        return f"the lake at {self.root}" if self.name == MAIN else f"store {self.name} at {self.root}"

    def may_be_read(self) -> bool:
        """Whether a folder can be listed; object stores are asked by whoever reads."""
        if self.folder is None:
            return True
        try:
            next(self.folder.iterdir(), None)
            (self.folder / ".").stat()
        except OSError:
            return False
        return True

    def unavailable(self, table: str, why: str) -> StoreUnavailable:
        """The error for a table that cannot be read because its store cannot."""
        return StoreUnavailable(
            f"table {table} lies in {self}, which cannot be read: {why}",
            hint=f"It needs the credentials of `lake.stores.{self.name}`; figures and audits without texts "
            "do not.",
        )


class Stores:
    """The stores of a lake by table."""

    def __init__(self, main: Store, others: Mapping[str, StoreSettings] | None = None) -> None:
        """`others`: a table's name or `text` → its store. Raises `SettingsError` for other names."""
        self.main = main
        named = {name: _store(name, given) for name, given in (others or {}).items()}
        unknown = sorted(named.keys() - {*TABLES, TEXT})
        if unknown:
            raise SettingsError(
                f"lake.stores: {unknown[0]} is neither a table nor `{TEXT}`",
                hint=f"`{TEXT}` stands for {', '.join(TEXT_TABLES)}.",
            )
        group = dict.fromkeys(TEXT_TABLES, named[TEXT]) if TEXT in named else {}
        self._apart = {**group, **{name: store for name, store in named.items() if name != TEXT}}

    def of(self, table: str) -> Store:
        """The store of a table."""
        return self._apart.get(table, self.main)

    def all(self) -> list[Store]:
        """Every store, the main one first."""
        return [self.main, *{store.name: store for store in self._apart.values()}.values()]


def _store(name: str, given: StoreSettings) -> Store:
    return Store(
        name, given.root, {key: value.get_secret_value() for key, value in given.storage_options.items()}
    )
