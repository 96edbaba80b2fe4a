"""The manifest's `tokens`: how long the texts of the files are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sinks.drops.documents.facts import part_of
from sinks.drops.documents.tables import Table
from sinks.pages.text import count


@dataclass(frozen=True)
class TokenLengths:
    """Tokens per row of one column of one file, as text."""

    file: str
    column: str
    median: str
    p90: str
    p99: str
    longest: str


def token_lengths(manifest: Mapping[str, Any], tables: Sequence[Table]) -> list[TokenLengths]:
    """Lengths by column of the first split of every Parquet table; none where the manifest has no such block.

    The other splits are alike, and JSON lines hold the same texts; the manifest has them all.
    """
    files = part_of(manifest, "tokens", "files")
    return [
        TokenLengths(file.name, column, *(count(found[key]) for key in ("p50", "p90", "p99", "max")))
        for table in tables
        if table.schema is not None
        for file in list(table.files.values())[:1]
        for column, found in part_of(files, file.name, "columns").items()
    ]


def tokenizer(manifest: Mapping[str, Any]) -> str:
    """The tokenizer they were counted with; empty when nothing was counted."""
    return str(part_of(manifest, "tokens").get("tokenizer") or "")
