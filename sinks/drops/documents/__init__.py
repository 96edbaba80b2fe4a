"""The documents every drop carries: dataset card, Croissant, report.

They are a function of what the manifest says, the rows and the files staged: no clock, no machine, and
never a text of a user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from sinks.drops.checks import Check
from sinks.drops.documents.card import card
from sinks.drops.documents.croissant import croissant
from sinks.drops.documents.drop import Drop
from sinks.drops.documents.report import report

CARD_FILE: Final = "README.md"
CROISSANT_FILE: Final = "croissant.json"
REPORT_FILE: Final = "report.html"

DOCUMENTS: Final[Mapping[str, Callable[[Drop], str]]] = {
    CARD_FILE: card,
    CROISSANT_FILE: croissant,
    REPORT_FILE: report,
}
"""What is written into every drop, by file name."""


def write_documents(
    folder: Path, manifest: Mapping[str, Any], rows: pl.DataFrame, checks: Sequence[Check] = ()
) -> list[str]:
    """Write the documents of a drop beside its files; returns their names.

    `manifest` is its content with `files`; `rows` are those the files were written from, `checks` what was
    asserted of the files.
    """
    drop = Drop.of(folder, manifest, rows, checks)
    for name, made in DOCUMENTS.items():
        (folder / name).write_text(made(drop), encoding="utf-8", newline="\n")
    return list(DOCUMENTS)
