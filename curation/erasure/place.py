"""Whom to erase and where, and what all steps of an erasure share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.settings import Settings
from contracts.tables.persons import ID_KINDS, IdKind, personal_tables
from sinks.erasure.needles import Kind, Needles
from sinks.erasure.person import Person, needed_columns
from sinks.erasure.rewriting import Change
from sinks.lake import Lake
from sinks.tombstones import Hashes

Step = Callable[[str], None]

TOMBSTONED: Final[tuple[IdKind, ...]] = ("session", "request", "event")
"""Kinds of ids that are kept as keyed hashes, so that replayed events are known by them."""


def _unheard(_: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class Subject:
    """Whom to erase. `user_id` may be unknown: then only the pseudonym can be looked for at the end.

    `former`: pseudonyms under earlier keys, where they are known.
    """

    user_key: str
    user_id: str | None = None
    former: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where it happens: the lake, the settings, the deployment's keyed hashes, a clock (UTC microseconds).

    `step` is told of every step that is durable, `progress` of what is being done.
    """

    lake: Lake
    settings: Settings
    hashes: Hashes
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000
    wait: Callable[[float], None] = time.sleep
    step: Step = field(default=_unheard)
    progress: Step = field(default=_unheard)

    @property
    def drops_root(self) -> Path:
        """Folder of the published drops."""
        return self.settings.drops_root

    @property
    def home(self) -> Path:
        """The home folder."""
        return Path(self.settings.home)

    @property
    def tables(self) -> list[str]:
        """Tables of the lake that can hold people."""
        return [name for name in personal_tables() if self.lake.exists(name)]

    def person(
        self, subject: Subject, ids: Mapping[str, list[str]] | None = None, loose: Iterable[str] = ()
    ) -> Person:
        """The subject as rows know it, with the ids found so far."""
        person = Person(
            subject.user_key, self.hashes.user_key, self.lake.pseudonyms.raised, loose=frozenset(loose)
        )
        for kind in ID_KINDS:
            if kind != "user" and (known := (ids or {}).get(kind)):
                person = person.with_ids(kind, known)
        return person


def departure(name: str, person: Person) -> Change:
    """What taking a person out of a table does to its rows."""
    return Change(
        columns=needed_columns(name),
        leaves=lambda rows: person.owns(name, rows),
        alters=lambda rows: person.mentioned(name, rows),
        altered=lambda rows: person.without_mentions(name, rows),
    )


def needles_for(subject: Subject, person: Person) -> Needles:
    """What to look for: the ids of the person, and the raw user id where it is known."""
    return Needles.of_ids(_ids(subject, person))


def _ids(subject: Subject, person: Person) -> Iterator[tuple[Kind, str]]:
    for key in (subject.user_key, *subject.former):
        yield "user_key", key
    if subject.user_id:
        yield "user_id", subject.user_id
    kinds: dict[IdKind, Kind] = {"session": "session", "request": "request", "event": "event"}
    for kind, what in kinds.items():
        for value in person.of(kind):
            yield what, value
