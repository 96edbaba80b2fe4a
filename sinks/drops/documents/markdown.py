"""Markdown from templates: what is filled in is text, and never becomes markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|!&~$])")


_BLANKS: Final = re.compile(r"\s+")


class Verbatim(str):
    """Text that goes into a document as it is: it was made for it."""

    __slots__ = ()


def escaped(value: Any) -> Any:
    """Text on one line, with every character that could be markup (Markdown, HTML) behind a backslash."""
    if not isinstance(value, str) or isinstance(value, Verbatim):
        return value
    return Verbatim(_MARKUP.sub(r"\\\1", _BLANKS.sub(" ", value)))


def code(value: object) -> Verbatim:
    """A name as code; bars and backticks, which would end it, are replaced."""
    return Verbatim(f"`{' '.join(str(value).split()).replace('`', chr(39)).replace('|', '¦') or ' '}`")


def environment(folder: Path) -> Environment:
    """Templates of a folder; every value is escaped as it is filled in. No macros: what they give is one."""
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=False,  # noqa: S701 (Markdown: `finalize` escapes everything)
        undefined=StrictUndefined,
        finalize=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["code"] = code
    return made
