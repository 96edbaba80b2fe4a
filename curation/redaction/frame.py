"""Redaction of frames: whole columns are sifted, and only conversations with something in them are opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from curation.redaction.detectors import suspicious
from curation.redaction.messages import Visit, collect, substitute, visit_json, visit_messages
from curation.redaction.redactor import Numbering, Redactor, Text

ROWS_AT_ONCE: Final = 5_000
"""Rows of opened conversations that are in memory as Python strings together."""

Walk = Callable[[str, Visit], str]


def _plain_text(text: str, visit: Visit) -> str:
    return visit(Text(text))


WALKS: Final[dict[str, Walk]] = {"messages": visit_messages, "json": visit_json, "text": _plain_text}
"""How texts lie in a column: stored messages, any JSON, or the text itself."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Texts of one frame. `columns`: column → a key of `WALKS`. `conversation`: the column that says which
    rows are one conversation. Rows of a conversation count in the order they have in the frame."""

    frame: pl.DataFrame
    columns: Mapping[str, str]
    conversation: str


@dataclass(slots=True)
class _Opened:
    """A conversation: its cells (source, column, row, value) and the texts in them."""

    name: str
    cells: list[tuple[int, str, int, str]] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RedactedFrames:
    """Frames after redaction, spans replaced by kind, and rows changed in each frame."""

    frames: list[pl.DataFrame]
    counts: Counter[str]
    changed: list[int]


def redact_frames(
    sources: Sequence[Cells], redactor: Redactor, *, number: Callable[[str], Numbering] | None = None
) -> RedactedFrames:
    """Redact the texts of frames whose rows may belong to the same conversations.

    Frames and rows come in the order in which placeholders are numbered; a null conversation is one of
    its own. `number` makes the numbering of a conversation. Rows keep their order.
    """
    counts: Counter[str] = Counter()
    changes: list[dict[str, dict[int, str]]] = [{c: {} for c in s.columns} for s in sources]
    for batch in _batches(sources, _suspects(sources, redactor)):
        numbers = None if number is None else [number(conversation.name) for conversation in batch]
        results = redactor.redact_conversations([c.texts for c in batch], numbers=numbers)
        for conversation, result in zip(batch, results, strict=True):
            if not result.counts:
                continue
            counts.update(result.counts)
            put = substitute(dict(zip(conversation.texts, result.texts, strict=True)))
            for source, column, row, value in conversation.cells:
                new = WALKS[sources[source].columns[column]](value, put)
                if new != value:
                    changes[source][column][row] = new
    frames = [_changed(s.frame, c) for s, c in zip(sources, changes, strict=True)]
    return RedactedFrames(frames, counts, [len({r for c in each.values() for r in c}) for each in changes])


def _suspects(sources: Sequence[Cells], redactor: Redactor) -> pl.DataFrame:
    """Rows of conversations that hold something to look at: name, source, row; conversations together."""
    parts = []
    for n, source in enumerate(sources):
        caught = pl.any_horizontal(suspicious(column, redactor.kinds) for column in source.columns)
        row = pl.int_range(pl.len())
        own = pl.format("\x00{}:{}", pl.lit(n), row)
        parts.append(
            source.frame.select(
                name=pl.coalesce(pl.col(source.conversation).cast(pl.String), own),
                source=pl.lit(n),
                row=row,
                caught=caught,
            )
        )
    rows = pl.concat(parts)
    wanted = rows.filter("caught").select("name").unique()
    return rows.join(wanted, on="name", how="semi").sort("name", "source", "row").drop("caught")


def _batches(sources: Sequence[Cells], rows: pl.DataFrame) -> Iterator[list[_Opened]]:
    """Conversations, opened a few at a time."""
    columns = [{c: source.frame[c] for c in source.columns} for source in sources]
    batch: list[_Opened] = []
    size = 0
    for name, source, row in rows.iter_rows():
        if not batch or batch[-1].name != name:
            if size >= ROWS_AT_ONCE:
                yield batch
                batch, size = [], 0
            batch.append(_Opened(name))
        size += 1
        conversation = batch[-1]
        for column, values in columns[source].items():
            if (value := values[row]) is not None:
                conversation.cells.append((source, column, row, value))
                WALKS[sources[source].columns[column]](value, collect(conversation.texts))
    if batch:
        yield batch


def _changed(frame: pl.DataFrame, changes: Mapping[str, Mapping[int, str]]) -> pl.DataFrame:
    return frame.with_columns(
        frame[name].scatter(list(cells), list(cells.values())) for name, cells in changes.items() if cells
    )
