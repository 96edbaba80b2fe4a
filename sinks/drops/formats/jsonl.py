"""Lines of JSON, one object each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

LINE_ENDS: Final = tuple((c.encode(), f"\\u{ord(c):04x}".encode()) for c in "\x85\u2028\u2029")
"""What JSON leaves as it is and some readers of lines, Python's `splitlines` among them, take for an end."""

BUFFER: Final = 1 << 20
"""Bytes that are collected before they are written."""


def one_line(encoded: bytes) -> bytes:
    """JSON without whitespace between values, as a line that every reader takes for one."""
    if encoded.isascii():
        return encoded + b"\n"
    for character, escape in LINE_ENDS:
        encoded = encoded.replace(character, escape)
    return encoded + b"\n"


def write_lines(path: Path, lines: Iterable[bytes]) -> int:
    """Write encoded objects as lines; returns how many. Without any there is no file."""
    written = 0
    file = None
    try:
        for line in lines:
            if file is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = path.open("wb", buffering=BUFFER)
            file.write(one_line(line))
            written += 1
    finally:
        if file is not None:
            file.close()
    return written
