"""Other people's files for the contamination benchmark: eval sets, leaks and clean texts of many shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from contracts.errors import TerminalError
from curation.contamination.sides import TURN
from curation.contamination.units import ITEMS
from curation.texts.tokens import tokens
from sinks.eval_files import choose_fields, item_id, read, texts

SUFFIXES: Final = (".jsonl", ".ndjson", ".json", ".parquet", ".csv", ".tsv")
SHAPES: Final = """Shapes of a row (JSONL, JSON, Parquet or CSV):
  {"text": …}                                 also under content, question, instruction, input, query, body
  {"prompt": …, "chosen": …, "rejected": …}   each a string or a list of {role, content}; any may be missing
  {"prompt": …, "response": …}                also completion, answer, output
  {"messages": […]}                           also conversation, conversations, turns; {from, value} as well
  {"prompt": {"text": …, "replies": […]}}     a tree of messages, as in OASST: a row per message
  {"choices": [{"turns": […]}]}               model answers, as in MT-Bench
Leaks name their "kind" (else type, leak_kind, category; without one: "leak") and may name the item they come
from as "original_id" (else eval_id, item_id, task_id)."""

_TEXTS: Final = ("text", "content", "question", "instruction", "input", "query", "body", "document")
_ANSWERS: Final = ("chosen", "response", "completion", "answer", "output")
_LISTS: Final = ("messages", "conversation", "conversations", "turns")
_KINDS: Final = ("kind", "leak_kind", "type", "category")
_SOURCES: Final = ("original_id", "eval_id", "item_id", "task_id")


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the benchmark: its sides, and for a leak its kind and (where known) the leaked item."""

    prompt: str | None
    chosen: str | None = None
    rejected: str | None = None
    kind: str = "clean"
    source: str | None = None

    def text(self) -> str:
        """All of it as one text."""
        return "\n".join(
            side.replace(TURN, "\n") for side in (self.prompt, self.chosen, self.rejected) if side
        )


def eval_items(folder: Path) -> pl.DataFrame:
    """Items (`units.ITEMS`) of every eval file in a folder; the set is named after the file.

    Raises `TerminalError` when there is none, or one that cannot be read.
    """
    if not folder.is_dir():
        raise TerminalError(f"{folder} is not a folder", hint="--evals-dir takes a folder of eval files.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise TerminalError(f"{folder} holds no eval file", hint=f"Known suffixes: {', '.join(SUFFIXES)}.")
    return pl.concat([eval_set(path.stem, path) for path in files])


def eval_set(name: str, path: Path) -> pl.DataFrame:
    """Items of one file, its fields chosen as `tailrace evals add` chooses them."""
    rows = [row for batch in read(path) for row in batch]
    fields = choose_fields(rows[:1000], (), file=path.name)
    found = [
        (name, 1, item_id(row, number), field, role, text, len(tokens(text)))
        for number, row in enumerate(rows)
        for wanted in fields
        for field, role, text in texts(row, wanted)
    ]
    return pl.DataFrame(found, schema=ITEMS, orient="row")


def cases(path: Path, *, leaks: bool) -> list[Case]:
    """The rows of a file. Raises `TerminalError` naming the first row of no known shape."""
    if not path.is_file():
        raise TerminalError(f"{path} is not a file", hint="Check the path.")
    found: list[Case] = []
    for number, row in enumerate((row for batch in read(path) for row in batch), start=1):
        kind = next((str(row[name]) for name in _KINDS if row.get(name)), "leak") if leaks else "clean"
        source = next((str(row[name]) for name in _SOURCES if row.get(name) is not None), None)
        sides = list(_sides(row))
        if not sides:
            raise TerminalError(f"{path.name}: row {number} has no text in a known place", hint=SHAPES)
        found += [Case(*side, kind=kind, source=source if leaks else None) for side in sides]
    if not found:
        raise TerminalError(f"{path.name} has no rows", hint=SHAPES)
    return found


def _sides(row: Mapping[str, Any]) -> Iterator[tuple[str | None, str | None, str | None]]:
    prompt = _decoded(row.get("prompt"))
    if isinstance(prompt, Mapping):
        yield from ((text, None, None) for text in _tree(prompt))
        return
    if isinstance(row.get("choices"), list) and not isinstance(prompt, str):
        for choice in row["choices"]:
            if isinstance(choice, Mapping) and (said := _said(choice.get("turns"))):
                yield None, said, None
        return
    answer = next((said for name in _ANSWERS if (said := _said(row.get(name))) is not None), None)
    asked = _said(prompt)
    if asked is None:
        asked = next(
            (said for name in (*_TEXTS, *_LISTS) if (said := _said(row.get(name))) is not None), None
        )
    rejected = _said(row.get("rejected"))
    if asked is not None or answer is not None or rejected is not None:
        yield asked, answer, rejected


def _decoded(value: Any) -> Any:
    """Lists and objects that a CSV or Parquet file holds as JSON text."""
    if isinstance(value, str) and value[:1] in "[{" and value[-1:] in "]}":
        try:
            found = json.loads(value)
        except ValueError:
            return value
        return found if _is_conversation(found) or (isinstance(found, dict) and "text" in found) else value
    return value


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) and len(v) > 1 for v in value)


def _said(value: Any) -> str | None:
    """Text of a side: a string, or the texts of its turns."""
    value = _decoded(value)
    if isinstance(value, str):
        return value
    if not isinstance(value, Sequence):
        return None
    turns = []
    for turn in value:
        said = turn
        if isinstance(turn, Mapping):
            said = next((turn[k] for k in ("content", "value", "text") if turn.get(k) is not None), "")
        if isinstance(said, list):
            said = "\n".join(str(part.get("text", "")) for part in said if isinstance(part, Mapping))
        turns.append(str(said))
    return TURN.join(turns) if turns else None


def _tree(message: Mapping[str, Any]) -> Iterator[str]:
    todo = [message]
    while todo:
        node = todo.pop()
        if isinstance(node.get("text"), str):
            yield node["text"]
        todo += reversed(node.get("replies") or [])


def _storable(text: str | None) -> str | None:
    """Half-surrogates, which no table can hold, become question marks."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def frame(rows: Sequence[Case]) -> pl.DataFrame:
    """The rows as the gate takes them (`sides.ROWS`), their key the position."""
    data = [
        (str(number), *(_storable(side) for side in (case.prompt, case.chosen, case.rejected)))
        for number, case in enumerate(rows)
    ]
    schema = ["key", "prompt", "chosen", "rejected"]
    return pl.DataFrame(data, schema=dict.fromkeys(schema, pl.String()), orient="row")
