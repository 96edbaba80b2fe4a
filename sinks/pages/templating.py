"""Pages from templates, and writing them in one step."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contracts.errors import LakeNotWritable
from sinks.pages.palette import DARK

TEMPLATES: Final = Path(__file__).with_name("templates")
"""Templates all pages may extend, include or import: layout, style sheet, macros."""


@cache
def _environment(folder: Path) -> Environment:
    # Everything is escaped; markup is let through only by who checked it.
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["dark"] = DARK
    return environment


def page(template: Path, **values: Any) -> str:
    """A template filled in: one HTML document, no scripts, no requests, light and dark, printable."""
    return _environment(template.parent).get_template(template.name).render(**values)


def write_page(path: Path, text: str) -> Path:
    """Write a page; whoever opens the file sees the old or the new one. Raises `LakeNotWritable`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise LakeNotWritable(
            f"{path} cannot be written: {error.strerror}", hint="Choose another place for it."
        ) from None
    return path
