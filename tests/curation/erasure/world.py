"""A home with people in it: a lake, drops, a report; and what is left of it after an erasure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from contracts.settings import CurationSettings, RetentionSettings, Settings
from contracts.tables.persons import personal_tables
from curation.erasure.place import Place, Subject
from curation.erasure.run import Erased, erase
from curation.judge.base import make_judge
from curation.nightly import DropResult, make_drop
from sinks.lake import Lake
from streams.identity import Identity
from tests.lakes import ingest, new_lake

IDENTITY = Identity(b"test", held_out_share=0.0)
NOW_US = 1_900_000_000_000_000


class Killed(BaseException):
    """The process ends here."""


@dataclass
class World:
    """A home folder, and what the tests do in it."""

    home: Path
    offset: int = 0
    settings: Settings = field(init=False)
    lake: Lake = field(init=False)

    def __post_init__(self) -> None:
        self.settings = Settings(
            home=self.home,
            curation=CurationSettings(control_share=0.0, near_duplicate=1.0),
            retention=RetentionSettings(grace_seconds=0),
        )
        self.lake = new_lake(self.home / "lake")
        self.lake.tombstones.know(lambda: IDENTITY)

    def ingest(self, events: list[tuple[str, dict[str, Any]]], **options: Any) -> None:
        """Store and join events after the ones before."""
        ingest(self.lake, events, first_offset=self.offset, **options)
        self.offset += len(events)

    def drop(self, **options: Any) -> DropResult:
        """Build and publish a drop."""
        judge = make_judge(self.settings.judge, curation=self.settings.curation)
        return make_drop(self.lake, self.settings.drops_root, self.settings, judge, now_us=NOW_US, **options)

    def erase(self, user: str, **options: Any) -> Erased:
        """Erase a person by the raw user id."""
        return erase(self.place(**options), subject(user))

    def erase_until(self, user: str, step: str, occurrence: int = 1) -> bool:
        """Run an erasure that dies right after a named step; whether it got there."""
        seen = 0

        def die(name: str) -> None:
            nonlocal seen
            seen += name == step
            if name == step and seen == occurrence:
                raise Killed

        try:
            self.erase(user, step=die)
        except Killed:
            return True
        return False

    def key(self, user: str) -> str:
        """The pseudonym of a raw user id."""
        return IDENTITY.user_key(user)

    def place(self, **options: Any) -> Place:
        """Where erasures happen here."""
        return Place(Lake(self.lake.root, hashes=lambda: IDENTITY), self.settings, IDENTITY, **options)

    def rows(self) -> dict[str, pl.DataFrame]:
        """Live rows of every table that holds what people did, in a stable order."""
        found = {}
        for name in personal_tables():
            rows = self.lake.scan(name).collect()
            found[name] = rows[rows.hash_rows(0).arg_sort()]
        return found

    def traces(self, word: str) -> list[str]:
        """Files that hold a word anywhere: in their bytes, or in any value of a Parquet file.

        Reads the files by itself: what the code under test takes for absence is no proof of it.
        """
        found = []
        for path in sorted(p for p in self.home.rglob("*") if p.is_file()):
            texts = [path.read_bytes()]
            if path.suffix == ".parquet":
                texts += [str(value).encode() for value in pq.ParquetFile(path).read().to_pylist()]
            if any(word.encode() in text for text in texts):
                found.append(path.relative_to(self.home).as_posix())
        return found

    def files(self) -> dict[str, bytes]:
        """Every file below the home folder."""
        return {
            path.relative_to(self.home).as_posix(): path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.is_file()
        }


def subject(user: str) -> Subject:
    """A person by the raw user id."""
    return Subject(IDENTITY.user_key(user), user)


def same(before: dict[str, pl.DataFrame], after: dict[str, pl.DataFrame], word: str) -> None:
    """Everything that does not hold a word is as it was, row for row, and nothing else is there.

    Edges of lineage from examples of such rows count as theirs: they name them by the hash of their content.
    """
    words = {word}
    if "examples" in before:
        examples = before["examples"].select("example_id", "request_ids").iter_rows()
        words |= {example for example, requests in examples if word in str(requests)}
    for name, rows in before.items():
        kept = rows.filter([not any(w in str(row) for w in words) for row in rows.iter_rows()])
        assert kept.equals(after[name]), name
