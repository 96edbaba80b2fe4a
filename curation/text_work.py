"""What is done to the texts of one bucket before anything is chosen: they become the texts of training rows.

A bucket comes in as the lake has it and leaves as `READY_SCHEMA`. Everything is a function of one session's
texts, so the result does not depend on the bucket, the engine or the machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from curation.buckets import TEXT_SCHEMA, read_raw
from curation.pairs import with_turns

READY_SCHEMA: Final = pl.Schema({**TEXT_SCHEMA, "prompt_turns": pl.String(), "response_turns": pl.String()})
"""`TEXT_SCHEMA` with chat turns as JSON (null when parts other than text would be lost)."""


@dataclass(slots=True)
class TextResult:
    """What the rest of the build needs to know of a bucket's texts, and the time each part took (seconds)."""

    rows: pl.DataFrame
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the time of a block as spent on a part."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - started


@dataclass(frozen=True)
class TextWork:
    """The work itself; picklable, so that it can run anywhere."""

    def __call__(self, places: tuple[Path, Path]) -> TextResult:
        """Read a bucket from the first place and leave it, as `READY_SCHEMA`, in the second."""
        source, target = places
        result = TextResult(pl.DataFrame())
        with result.timed("texts"):
            rows = with_turns(read_raw(source))
        result.rows = rows.select("request_id")
        with result.timed("texts"):
            rows.select(list(READY_SCHEMA)).write_parquet(target, compression="lz4", statistics=False)
        return result
