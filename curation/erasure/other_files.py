"""Files of the home folder that may quote a person: the report, and what the judge keeps between its runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sinks.erasure.needles import Needles

REPORTS: Final = ("report.html",)
JUDGE: Final = "judge"


def clean_home(home: Path, needles: Needles, keys: frozenset[str]) -> list[str]:
    """Remove the person from files of the home folder; returns their names.

    Reports that mention the person are deleted, to be written anew. Journals of the judge (JSON lines) lose
    the lines that quote the person or answer one of `keys`, the hashes of judged contents. Files that hold
    neither stay as they are.
    """
    touched = []
    for path in (home / name for name in REPORTS):
        if path.is_file() and _holds(path.read_text(errors="replace"), needles, keys):
            path.unlink()
            touched.append(path.name)
    folder = home / JUDGE
    for path in sorted(folder.rglob("*.jsonl")) if folder.is_dir() else ():
        lines = path.read_text(errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if not _holds(line, needles, keys)]
        if len(kept) < len(lines):
            beside = path.with_name(f".{path.name}.{os.getpid()}")
            beside.write_text("".join(kept))
            beside.replace(path)
            touched.append(path.relative_to(home).as_posix())
    return touched


def _holds(text: str, needles: Needles, keys: frozenset[str]) -> bool:
    return any(True for _ in needles.held_by(text)) or any(key in text for key in keys)
