"""Errors and log lines without what users wrote: a traceback says where and of which kind, not with what.

Messages of exceptions that are not ours quote the values they failed on (a polars cast names the string, a
`KeyError` the key), and those may be user text. Ours never do (`contracts.errors`), so they stay.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from contracts.errors import TailraceError

WITHHELD: Final = "(message withheld: it may quote user text)"

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class DiscreetFormatter(logging.Formatter):
    """A formatter whose tracebacks quote nothing."""

    def formatException(self, ei: ExcInfo) -> str:
        """The traceback of a record, without messages that may hold user text."""
        return "" if ei[1] is None else "\n".join(described(ei[1]))


def described(error: BaseException) -> Iterator[str]:
    """Lines of a traceback, causes first as the interpreter has it, without messages of foreign errors."""
    yield from _described(error, set())


def _described(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _described(before, seen)
        yield ""
    yield "Traceback (most recent call last):"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
        if frame.line:
            yield f"    {frame.line}"
    name = type(error).__qualname__
    yield f"{name}: {error}" if isinstance(error, TailraceError) else f"{name} {WITHHELD}"
