"""The files of a drop in words, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

COLUMNS: Final = ("file", "rows", "bytes", "tokens (p50)", "tokens (max)", "sha256")


def file_rows(manifest: Mapping[str, Any]) -> list[list[Any]]:
    """A row of `COLUMNS` per file; lengths are those of its longest column, empty where none were counted."""
    lengths = manifest.get("tokens", {}).get("files", {})
    made = []
    for name, entry in manifest["files"].items():
        columns = lengths.get(name, {}).get("columns", {}).values()
        told = [max((column[key] for column in columns), default=None) for key in ("p50", "max")]
        made.append([name, entry.get("rows"), entry["bytes"], *told, entry["sha256"][:16]])
    return made


def left_out_lines(manifest: Mapping[str, Any]) -> list[str]:
    """What files could not hold, a line per file and reason; empty when they hold everything."""
    return [
        f"left out of {name}: {count:,} ({reason.replace('_', ' ')})"
        for name, reasons in manifest.get("left_out", {}).items()
        for reason, count in reasons.items()
    ]
