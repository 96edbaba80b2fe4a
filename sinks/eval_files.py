"""Files of eval sets: JSON Lines, Parquet and CSV, read a batch at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import TerminalError

BATCH: Final = 10_000
"""Rows in memory at a time."""

QUESTIONS: Final = (
    *("question", "questions", "prompt", "prompts", "turns", "instruction", "instructions", "problem"),
    *(
        "query",
        "input",
        "inputs",
        "text",
        "passage",
        "context",
        "story",
        "ctx",
        "stem",
        "premise",
        "hypothesis",
    ),
    *("sentence", "goal", "messages", "conversation", "content", "document", "article"),
)
ANSWERS: Final = (
    *("answer", "answers", "solution", "solutions", "canonical_solution", "reference", "references"),
    *("response", "output", "outputs", "completion", "target", "targets", "ideal", "gold", "explanation"),
    *("rationale", "test", "tests", "choices", "chosen"),
)
IDS: Final = ("id", "task_id", "item_id", "question_id", "key", "uid", "idx", "index", "name", "original_id")

WORDY: Final = 5
"""Mean number of words from which a field of unknown name is taken for text rather than an id or a label."""

Row = Mapping[str, Any]


class EvalFileInvalid(TerminalError):
    """A file is not a readable eval set."""


def read(path: Path) -> Iterator[list[Row]]:
    """Batches of rows. The format goes by the suffix: .jsonl, .ndjson, .json (lines or one list), .parquet,
    .csv or .tsv. Raises `EvalFileInvalid` naming the line that cannot be read."""
    readers = {
        ".parquet": _parquet,
        ".csv": _csv,
        ".tsv": _csv,
        ".json": _json,
        ".jsonl": _lines,
        ".ndjson": _lines,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise EvalFileInvalid(
            f"{path.name}: unknown format {path.suffix or '(no suffix)'}",
            hint=f"Use one of {', '.join(readers)}.",
        )
    try:
        yield from reader(path)
    except OSError as error:
        raise EvalFileInvalid(
            f"{path.name}: cannot be read: {error.strerror or error}",
            hint="Check the path and its permissions.",
        ) from None


def _batched(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _lines(path: Path) -> Iterator[list[Row]]:
    return _batched(_json_lines(path))


def _json_lines(path: Path) -> Iterator[Row]:
    decoder = msgspec.json.Decoder()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                row = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise EvalFileInvalid(
                    f"{path.name}:{number}: not JSON",
                    hint="The file must be UTF-8 JSON Lines: one object a line.",
                ) from None
            yield _object(path, number, row)


def _json(path: Path) -> Iterator[list[Row]]:
    with path.open("rb") as file:
        start = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start.startswith(b"["):
        yield from _lines(path)
        return
    try:
        rows = msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise EvalFileInvalid(f"{path.name}: not JSON", hint="The file must be UTF-8.") from None
    yield from _batched(_object(path, number, row) for number, row in enumerate(rows, start=1))


def _object(path: Path, number: int, row: object) -> Row:
    if isinstance(row, str):
        return {"text": row}
    if not isinstance(row, dict):
        raise EvalFileInvalid(f"{path.name}:{number}: not a JSON object", hint="Each row is one object.")
    return row


def _parquet(path: Path) -> Iterator[list[Row]]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                yield batch.to_pylist()
    except pa.ArrowException as error:
        raise EvalFileInvalid(
            f"{path.name}: not a readable Parquet file: {str(error).splitlines()[0]}", hint="Write it anew."
        ) from None


def _csv(path: Path) -> Iterator[list[Row]]:
    csv.field_size_limit(1 << 30)
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        try:
            if not reader.fieldnames:
                raise EvalFileInvalid(
                    f"{path.name}: no header line", hint="The first line names the columns."
                )
            rows: Iterator[Row] = ({k: v for k, v in row.items() if k is not None} for row in reader)
            yield from _batched(rows)
        except UnicodeDecodeError:
            raise EvalFileInvalid(f"{path.name}: not UTF-8", hint="Convert it, e.g. with iconv.") from None
        except csv.Error as error:
            raise EvalFileInvalid(
                f"{path.name}:{reader.line_num}: {error}", hint="Check its quotes."
            ) from None


def choose_fields(rows: Sequence[Row], asked: Sequence[str], *, file: str) -> list[str]:
    """The fields that are compared: those asked for, else those with names that eval sets use, else those
    that hold sentences.

    Raises `EvalFileInvalid` naming the fields there are.
    """
    there = list(dict.fromkeys(name for row in rows for name in row))
    if asked:
        if missing := [name for name in asked if name.split(".")[0] not in there]:
            raise EvalFileInvalid(
                f"{file} has no field {', '.join(missing)}", hint=f"It has: {', '.join(there)}."
            )
        return list(dict.fromkeys(asked))
    found = [name for name in there if any(texts(row, name) for row in rows)]
    known = [name for name in found if name.lower() in QUESTIONS or name.lower() in ANSWERS]
    if any(name.lower() in QUESTIONS for name in known):
        return known
    if wordy := [name for name in found if _words(rows, name) >= WORDY]:
        return list(dict.fromkeys([*wordy, *known]))
    raise EvalFileInvalid(
        f"{file}: which field holds the questions?",
        hint=f"Name it with --field, once per field. It has: {', '.join(there) or 'no rows'}.",
    )


def _words(rows: Sequence[Row], name: str) -> float:
    """Mean number of words of a field's texts."""
    said = [text for row in rows for _, _, text in texts(row, name)]
    return sum(len(text.split()) for text in said) / max(len(said), 1)


def role(name: str) -> str:
    """Whether a field asks or answers."""
    return "answer" if name.split(".")[-1].lower() in ANSWERS else "question"


def texts(row: Row, name: str) -> list[tuple[str, str, str]]:
    """The texts of a field: name (element n of a list is name[n]), role, text.

    A dot in the name reaches into objects. Lists of {role, content} are conversations: assistants answer.
    Numbers are written out; empty texts are left out.
    """
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    many = isinstance(value, list | tuple)
    found = []
    for number, element in enumerate(value if many else [value]):
        said, kind = element, role(name)
        if isinstance(element, Mapping):
            said = element.get("content", element.get("text", element.get("value")))
            if str(element.get("role", element.get("from"))).lower() in {"assistant", "gpt", "model"}:
                kind = "answer"
        if isinstance(said, int | float) and not isinstance(said, bool):
            said = str(said)
        if isinstance(said, str) and said.strip():
            found.append((f"{name}[{number}]" if many else name, kind, said))
    return found


def item_id(row: Row, number: int) -> str:
    """The item's own id, else its row number."""
    for name in IDS:
        value = row.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    return str(number)
