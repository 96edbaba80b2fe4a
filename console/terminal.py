"""What every command shares: output for people and for machines, progress bars, errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from contracts.errors import TailraceError, TransientError
from streams.discreet import DiscreetFormatter, described

EXIT_FAILED: Final = 1
"""Something is wrong and retrying will not help, or a check did not pass."""

EXIT_UNAVAILABLE: Final = 3
"""Something outside (broker, lake, judge) does not answer; the same command may work later."""

NARROWEST: Final = 8
"""A column of a table is no narrower than this, characters with its frame."""

out = Console()
err = Console(stderr=True)


class LogHandler(logging.Handler):
    """Log lines above whatever lives at the bottom of the terminal (progress bars, the worker's line)."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(DiscreetFormatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record; it is text, never markup."""
        err.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value on standard output, for machines."""
    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """A readable table; numbers are aligned right, ids stay whole. Cells are text, never markup.

    What has too many columns for the terminal is shown row by row, a line per value.
    """
    if len(columns) * NARROWEST > out.width:
        for row in rows:
            known = [[name, value] for name, value in zip(columns, row, strict=True) if value is not None]
            print_table(["", "value"], known, title=title)
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for i, column in enumerate(columns):
        known = [row[i] for row in rows if row[i] is not None]
        numeric = bool(known) and all(isinstance(value, int | float) for value in known)
        name = column.replace("_", " ")
        whole = name.rpartition(" ")[2] in ("id", "drop")
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row))
    out.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}Z"
    return str(value)


def visible(text: str) -> str:
    """Text that others wrote, with every character that does not print (but line breaks and tabs) escaped."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def say(message: str) -> None:
    """A line for a person, on standard error so that standard output stays clean."""
    err.print(message, highlight=False, soft_wrap=True)


def fail(error: TailraceError) -> int:
    """Print an error and its hint; returns the exit code."""
    err.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
    if error.hint:
        err.print(f"  [dim]→[/] {escape(error.hint)}", highlight=False, soft_wrap=True)
    return EXIT_UNAVAILABLE if isinstance(error, TransientError) else EXIT_FAILED


def crashed(error: BaseException) -> None:
    """Print the traceback of an error nobody expected, without what it may quote of user text."""
    for line in described(error):
        err.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(*, quiet: bool = False, of_bytes: bool = False) -> Iterator[Progress]:
    """A progress display on standard error; nothing when quiet or not at a terminal."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True) if of_bytes else MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        disable=quiet or not err.is_terminal,
        transient=True,
    ) as progress:
        yield progress
