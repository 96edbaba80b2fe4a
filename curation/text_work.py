"""What is done to the texts of one bucket before anything is chosen: they become the texts of training rows.

A bucket comes in as the lake has it and leaves as `READY_SCHEMA`. Everything is a function of one session's
texts, so the result does not depend on the bucket, the engine or the machine.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from curation.buckets import TEXT_SCHEMA, read_raw
from curation.contamination.index import HITS, ContaminationIndex
from curation.contamination.sides import rows_of
from curation.novelty import Whole, embed, novelty, question
from curation.redaction import Redactor
from curation.redaction.step import redact
from curation.texts.embeddings import StaticEmbeddings
from curation.turns import TURN_COLUMNS, with_turns

READY_SCHEMA: Final = pl.Schema({**TEXT_SCHEMA, **TURN_COLUMNS})
"""`TEXT_SCHEMA` with chat turns."""

NOVELTY: Final = pl.Schema({"request_id": pl.String(), "novelty": pl.Float64()})


@dataclass(slots=True)
class TextResult:
    """What the rest of the build needs to know of a bucket's texts.

    novelty: request_id and novelty (0 to 1). hits: what the contamination gate found
    (`contamination.index.HITS`), the key being the request id. redactions: spans replaced by kind;
    redacted_rows: rows they are in. seconds: time each part took.
    """

    novelty: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=NOVELTY))
    hits: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=HITS))
    redactions: Counter[str] = field(default_factory=Counter)
    redacted_rows: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the time of a block as spent on a part."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - started

    def add_counts(self, other: TextResult) -> None:
        """Count what was redacted in another bucket, and the time it took."""
        self.redactions += other.redactions
        self.redacted_rows += other.redacted_rows
        for part, seconds in other.seconds.items():
            self.seconds[part] = self.seconds.get(part, 0.0) + seconds


@dataclass(frozen=True)
class TextWork:
    """The work itself; picklable, so that it can run anywhere.

    index: the eval sets in force. known: prompts of earlier drops, None when there are none.
    redactor: None when nothing is redacted.
    """

    index: ContaminationIndex
    known: Whole | None
    redactor: Redactor | None

    def __call__(self, places: tuple[Path, Path]) -> TextResult:
        """Read a bucket from the first place and leave it, as `READY_SCHEMA`, in the second."""
        source, target = places
        result = TextResult()
        with result.timed("texts"):
            rows = read_raw(source)
        if self.redactor is not None:
            with result.timed("redact"):
                rows, result.redactions, result.redacted_rows = redact(rows, self.redactor)
        with result.timed("texts"):
            rows = with_turns(rows)
        with result.timed("contamination"):
            result.hits = self.index.check(rows_of(_sides(rows), "request_id"))
        if self.known is not None:
            with result.timed("select"):
                result.novelty = _novelty(rows, self.known)
        with result.timed("texts"):
            rows.select(list(READY_SCHEMA)).write_parquet(target, compression="lz4", statistics=False)
        return result


def _novelty(rows: pl.DataFrame, known: Whole) -> pl.DataFrame:
    questions = [question(turns) for turns in rows["prompt_turns"]]
    values = novelty(embed(StaticEmbeddings.load(), questions), known)
    return rows.select("request_id", novelty=values)


def _sides(rows: pl.DataFrame) -> pl.DataFrame:
    """Texts as sides of a training row: whatever becomes of the response, it is looked at."""
    return rows.select(
        "request_id",
        prompt="prompt_turns",
        chosen="edit_turns",
        rejected="response_turns",
    )
