"""The manifest's `tokens`: how long the texts of the files are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sinks.drops.documents.facts import part_of
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


def token_lengths(manifest: Mapping[str, Any]) -> list[TokenLengths]:
    """Lengths by file and column; none where the manifest has no such block."""
    return [
        TokenLengths(file, column, *(count(found[key]) for key in ("p50", "p90", "p99", "max")))
        for file, about in part_of(manifest, "tokens", "files").items()
        for column, found in part_of(about, "columns").items()
    ]


def tokenizer(manifest: Mapping[str, Any]) -> str:
    """The tokenizer they were counted with; empty when nothing was counted."""
    return str(part_of(manifest, "tokens").get("tokenizer") or "")
