"""What checks found: counts for lineage, rows for whoever has to look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts.errors import DropInvalid

NAMED: Final = 20
"""Rows of a file that an error names."""

Naming = Callable[[str, Sequence[int]], list[str]]
"""Example ids of some rows of a file."""


@dataclass(frozen=True)
class Check:
    """One thing that was asserted of the rows, and what was found (counts, as text)."""

    name: str
    success: bool
    expected: str
    actual: str

    @property
    def kind(self) -> str:
        """The kind of file it was asserted of (`kind_of`); empty for all of them."""
        return self.name.rpartition(".")[0]


def kind_of(file: str) -> str:
    """The kind of a file of a drop: its folder, or its name where it has none."""
    return file.rpartition("/")[0] or file.partition(".")[0]


class ChecksFailed(DropInvalid):
    """A file of a drop breaks a rule. `checks`: all that were made, the failed ones among them; `files`: what
    was checked, as in a manifest."""

    def __init__(
        self, message: str, checks: tuple[Check, ...], files: dict[str, dict[str, int]], *, hint: str
    ) -> None:
        super().__init__(message, hint=hint)
        self.checks = checks
        self.files = files


@dataclass
class _Tally:
    looked_at: int = 0
    broken: int = 0
    rows: list[tuple[str, str, int]] = field(default_factory=list)
    """(file, what is wrong, row) of the first that broke the rule"""


class Findings:
    """Results per rule and kind of file, collected batch by batch."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], _Tally] = {}

    def add(self, file: str, rule: str, meaning: str, broken: Iterable[int], looked_at: int) -> None:
        """Rows of a file that break a rule, among those looked at; `meaning` says what is wrong with them."""
        tally = self._tallies.setdefault((kind_of(file), rule), _Tally())
        tally.looked_at += looked_at
        for row in broken:
            tally.broken += 1
            if len(tally.rows) < NAMED:
                tally.rows.append((file, meaning, row))

    @property
    def checks(self) -> tuple[Check, ...]:
        """One check per rule and kind of file, in the order they were made."""
        return tuple(
            Check(
                f"{kind}.{rule}",
                success=not tally.broken,
                expected="0 rows",
                actual=f"{tally.broken} of {tally.looked_at} rows",
            )
            for (kind, rule), tally in self._tallies.items()
        )

    def raise_if_broken(self, names: Naming, rows: Mapping[str, int]) -> None:
        """Raises `ChecksFailed` naming files, rows, examples and reasons; never what the rows say."""
        lines = [line for tally in self._tallies.values() for line in _lines(tally, names)]
        if lines:
            raise ChecksFailed(
                f"the drop is not published: {'; '.join(lines)}",
                self.checks,
                {name: {"rows": count} for name, count in rows.items()},
                hint="Rows like these should have been refused before; report it with this message.",
            )


def _lines(tally: _Tally, names: Naming) -> Iterable[str]:
    for file, meaning in dict.fromkeys((file, meaning) for file, meaning, _ in tally.rows):
        rows = [row for *place, row in tally.rows if place == [file, meaning]]
        examples = names(file, rows)
        told = f"{file}: {meaning}: rows {', '.join(map(str, rows))}"
        yield told + (f" (examples {', '.join(examples)})" if examples else "")
    if tally.broken > len(tally.rows):
        yield f"and {tally.broken - len(tally.rows)} more rows"
