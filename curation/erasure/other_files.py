"""Files of the home folder that may quote a person: the report, and what the judge keeps between its runs."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from curation.rebuild.place import FOLDER as REBUILT
from sinks.erasure.needles import Needles
from sinks.judge_journal import FOLDER

REPORTS: Final = ("report.html",)
JOURNALS: Final = (".jsonl", ".unusable")
TRUTH: Final = "truth.jsonl"
"""What a demo's simulator knows of its requests, a line each."""


def clean_home(
    home: Path, needles: Needles, keys: frozenset[str], *, about_to: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Remove the person from files of the home folder; returns their names, and tells each before its change.

    Rebuilt drops are deleted. Reports that mention the person are deleted, to be written anew. Journals of
    the judge and a demo's truth (JSON lines) that nobody is writing lose the lines that quote the person or
    answer one of `keys`, the hashes of judged contents. One that a judge is writing is emptied by it within
    seconds, and what it stores of an erased person is refused; the proof looks at it in any case.
    """
    touched = []
    if (home / REBUILT).is_dir():
        # Copies of drops, the person's rows with them; they can be made again, or are not meant to be.
        about_to(REBUILT)
        shutil.rmtree(home / REBUILT)
        touched.append(REBUILT)
    for path in (home / name for name in REPORTS):
        if path.is_file() and _holds(path.read_text(errors="replace"), needles, keys):
            about_to(path.name)
            path.unlink()
            touched.append(path.name)
    folder = home / FOLDER
    journals = [path for path in sorted(folder.rglob("*")) if path.suffix in JOURNALS] + [home / TRUTH]
    return touched + [
        name
        for path, name in ((path, path.relative_to(home).as_posix()) for path in journals)
        if _without_lines(path, lambda line: _holds(line, needles, keys), partial(about_to, name))
    ]


def _without_lines(path: Path, leaves: Callable[[str], bool], about_to: Callable[[], None]) -> bool:
    """Take lines out of a file nobody has locked; whether there were any."""
    try:
        with path.open(errors="replace") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lines = file.readlines()
            kept = [line for line in lines if not leaves(line)]
            if len(kept) < len(lines):
                about_to()
                beside = path.with_name(f".{path.name}.{os.getpid()}")
                beside.write_text("".join(kept))
                beside.replace(path)
    except (FileNotFoundError, BlockingIOError):
        return False
    return len(kept) < len(lines)


def _holds(text: str, needles: Needles, keys: frozenset[str]) -> bool:
    return any(True for _ in needles.held_by(text)) or any(key in text for key in keys)
