"""Checking every file of a staged drop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sinks.drops.checks.json_lines import check_lines
from sinks.drops.checks.parquet_files import check_parquet
from sinks.drops.checks.places import check_provenance, examples_at
from sinks.drops.checks.results import Check, Findings
from sinks.drops.checks.tokens import TokenCounts
from sinks.drops.formats.layout import PROVENANCE_FILE


@dataclass(frozen=True)
class Checked:
    """What was asserted, and the manifest's `tokens`."""

    checks: tuple[Check, ...]
    tokens: dict[str, Any]


def check_files(folder: Path, rows: Mapping[str, int]) -> Checked:
    """Read back every training file of a drop, `rows` being how many each has, and hold it against the rules.

    Raises `ChecksFailed` naming files, rows, example ids and what is wrong; never what the rows say.
    """
    findings, tokens = Findings(), TokenCounts()
    for name, count in rows.items():
        if name.endswith(".jsonl"):
            check_lines(folder, name, count, findings, tokens)
        elif name != PROVENANCE_FILE:
            check_parquet(folder, name, count, findings, tokens)
    check_provenance(folder, rows, findings)
    findings.raise_if_broken(partial(examples_at, folder), rows)
    return Checked(findings.checks, tokens.block())
