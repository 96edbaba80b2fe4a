"""The registry of eval sets: versions, hashes, and the texts of their items."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from contracts.errors import SettingsError, TerminalError
from contracts.tables import frame_schema
from sinks.eval_files import EvalFileInvalid, Row, choose_fields, item_id, read, texts
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.transactions import append_once

ITEM_ROWS: Final = 100_000
"""Rows of `eval_items` per commit."""

_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Registration:
    """Outcome of registering a file. `new` is false when its content was in force already."""

    eval_set: str
    version: int
    new: bool
    fields: tuple[str, ...]
    rows: int
    items: int
    empty_rows: int
    short_items: int
    content_sha256: str


def active_sets(lake: Lake, *, version: int | None = None) -> pl.DataFrame:
    """The eval sets in force, ordered by name: rows of `eval_sets`. None in a lake without the table."""
    if not lake.exists("eval_sets"):
        return pl.DataFrame(schema=frame_schema("eval_sets"))
    rows = lake.scan("eval_sets", version=version).collect()
    newest = (
        rows.with_row_index("_n")
        .sort("eval_set", "version", "registered_at", "_n")
        .unique("eval_set", keep="last", maintain_order=True)
    )
    return newest.filter(pl.col("status") == "active").drop("_n").sort("eval_set")


def named_sets(lake: Lake, names: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The eval sets that `identity` named, as they were in force: rows of `eval_sets`, ordered by name.

    Those that are not registered under this name, version and content are left out.
    """
    if not names or not lake.exists("eval_sets"):
        return pl.DataFrame(schema=frame_schema("eval_sets"))
    keys = ["eval_set", "version", "content_sha256"]
    schema = {key: frame_schema("eval_sets")[key] for key in keys}
    wanted = pl.DataFrame([{key: each[key] for key in keys} for each in names], schema=schema)
    rows = lake.scan("eval_sets").filter(status="active").collect()
    return (
        rows.join(wanted, on=keys, how="semi", maintain_order="left")
        .unique(keys, keep="last", maintain_order=True)
        .sort("eval_set")
    )


def identity(sets: pl.DataFrame) -> list[dict[str, Any]]:
    """What a drop's identity says about eval sets: name, version and content hash of each in force."""
    return sets.select("eval_set", "version", "content_sha256").sort("eval_set").to_dicts()


def active_items(lake: Lake, sets: pl.DataFrame) -> pl.DataFrame:
    """Items of the given sets (rows of `active_sets`), as in `eval_items`."""
    if sets.is_empty():
        return pl.DataFrame(schema=frame_schema("eval_items"))
    wanted = sets.select("eval_set", "version").lazy()
    return lake.scan("eval_items").join(wanted, on=["eval_set", "version"], how="semi").collect()


def register(
    lake: Lake,
    name: str,
    path: Path,
    fields: Sequence[str],
    *,
    count_tokens: CountTokens,
    short: int,
    now: datetime,
    progress: Callable[[int], None] = lambda _: None,
) -> Registration:
    """Register a file as the next version of a set; the same content again changes nothing.

    Reads the file twice (to hash it, to store it) and never holds more than some batches of it. `short`:
    words below which only the exact layer sees an item. Raises `SettingsError` for a bad name and
    `EvalFileInvalid` for a file that cannot be used.
    """
    if not name or not set(name) <= _NAME or name[0] in "-.":
        raise SettingsError(
            f"{name!r} is no name for an eval set", hint="Use lower-case letters, digits, '-', '_' and '.'."
        )
    chosen = _fields(path, fields)
    survey = _survey(path, chosen, count_tokens, short, progress)
    if survey.items == 0:
        raise EvalFileInvalid(
            f"{path.name}: no row has text in {', '.join(chosen)}", hint="Name the fields with --field."
        )
    known = lake.scan("eval_sets").filter(pl.col("eval_set") == name).collect()
    current = active_sets(lake).filter(pl.col("eval_set") == name)
    if current.height and current["content_sha256"][0] == survey.sha256:
        return survey.registration(name, int(current["version"][0]), chosen, new=False)
    version = max(known["version"].to_list(), default=0) + 1
    _forget_unfinished(lake, name, version)
    for number, frame in enumerate(_item_frames(path, name, version, chosen, count_tokens)):
        batch_id = f"evals/{name}/{version}/{survey.sha256}/{now.isoformat()}/{number}"
        append_once(lake, "eval_items", frame, batch_id=batch_id)
        progress(frame["row"].n_unique())
    row = {
        "eval_set": name,
        "version": version,
        "status": "active",
        "content_sha256": survey.sha256,
        "fields": list(chosen),
        "rows": survey.rows,
        "items": survey.items,
        "empty_rows": survey.empty_rows,
        "short_items": survey.short_items,
        "file_name": path.name,
        "registered_at": now,
    }
    _append_set(lake, row)
    return survey.registration(name, version, chosen, new=True)


def remove(lake: Lake, name: str, *, now: datetime) -> int:
    """Take a set out of force; its items stay for the reports of drops that were checked against it.

    Returns its version. Raises `TerminalError` when it is not in force.
    """
    row = one(lake, name)
    _append_set(lake, {**row, "status": "removed", "registered_at": now})
    return int(row["version"])


def one(lake: Lake, name: str) -> dict[str, Any]:
    """The row in force of a set. Raises `TerminalError` when there is none."""
    current = active_sets(lake)
    found = current.filter(pl.col("eval_set") == name)
    if found.is_empty():
        names = ", ".join(current["eval_set"]) or "none"
        raise TerminalError(f"no eval set {name} is registered", hint=f"Registered: {names}.")
    return found.row(0, named=True)


def _append_set(lake: Lake, row: dict[str, Any]) -> None:
    frame = pl.DataFrame([row], schema=frame_schema("eval_sets"))
    batch_id = f"evals/{row['eval_set']}/{row['version']}/{row['status']}/{row['registered_at'].isoformat()}"
    append_once(lake, "eval_sets", frame, batch_id=batch_id)


def _forget_unfinished(lake: Lake, name: str, version: int) -> None:
    """Delete items that a registration which never ended left under this version."""
    left = lake.scan("eval_items").filter(eval_set=name, version=version).head(1).collect()
    if left.height:
        with translated(lake, "eval_items"):
            lake.table("eval_items").delete(f"eval_set = '{name}' AND version = {version}")


def _fields(path: Path, asked: Sequence[str]) -> tuple[str, ...]:
    first = next(read(path), [])
    return tuple(choose_fields(first, asked, file=path.name))


@dataclass(frozen=True, slots=True)
class _Survey:
    sha256: str
    rows: int
    items: int
    empty_rows: int
    short_items: int

    def registration(self, name: str, version: int, fields: tuple[str, ...], *, new: bool) -> Registration:
        return Registration(
            name, version, new, fields, self.rows, self.items, self.empty_rows, self.short_items, self.sha256
        )


def _survey(
    path: Path, fields: Sequence[str], count_tokens: CountTokens, short: int, progress: Callable[[int], None]
) -> _Survey:
    digest = hashlib.sha256("\x1f".join(fields).encode())
    rows = items = empty = few = 0
    for batch in read(path):
        for row in batch:
            found = _texts(row, fields)
            rows += 1
            items += bool(found)
            empty += not found
            few += bool(found) and sum(count_tokens(text) for _, _, text in found) < short
            for field, _, text in [("", "", item_id(row, rows - 1)), *found]:
                digest.update(f"\x1e{field}\x1f{text}".encode("utf-8", "surrogatepass"))
        progress(len(batch))
    return _Survey(digest.hexdigest(), rows, items, empty, few)


def _texts(row: Row, fields: Sequence[str]) -> list[tuple[str, str, str]]:
    return [found for name in fields for found in texts(row, name)]


def _item_frames(
    path: Path, name: str, version: int, fields: Sequence[str], count_tokens: CountTokens
) -> Iterator[pl.DataFrame]:
    """Frames of `eval_items`; a repeated id gets its row number behind it."""
    schema = frame_schema("eval_items")
    rows: list[tuple[Any, ...]] = []
    seen: set[str] = set()
    number = -1
    for batch in read(path):
        for row in batch:
            number += 1
            own = item_id(row, number)
            if own in seen:
                own = f"{own}#{number}"
            seen.add(own)
            for field, kind, text in _texts(row, fields):
                clean = text.encode("utf-8", "replace").decode()
                rows.append((name, version, number, own, field, kind, clean, count_tokens(clean)))
        if len(rows) >= ITEM_ROWS:
            yield pl.DataFrame(rows, schema=schema, orient="row")
            rows = []
    if rows:
        yield pl.DataFrame(rows, schema=schema, orient="row")
