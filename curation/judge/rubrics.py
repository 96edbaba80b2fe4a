"""Rubrics: Markdown files with TOML front matter between lines of `+++`.

Front matter holds `name`, `version` and `[taxonomy]`: failure kind → what it means here. The kinds
are those of `verdicts.FailureKind`; a rubric may leave some out, but not `other`. A rubric for comparing
two responses says `task = "pairwise"` and has no taxonomy.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from contracts.errors import SettingsError
from curation.judge.epoch import Task
from curation.judge.verdicts import FailureKind

FOLDER: Final = Path(__file__).with_name("rubrics")
DEFAULT: Final = "default"
PAIRWISE: Final = "pairwise"

_FENCE: Final = "+++"
_HINT: Final = "See default.md and pairwise.md in curation/judge/rubrics for the shape of a rubric."


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """What a judge is told to look for. ``hash`` (16 hex) covers the whole file's text.

    ``taxonomy`` is empty for pairwise rubrics.
    """

    name: str
    version: str
    taxonomy: Mapping[FailureKind, str]
    body: str
    hash: str
    task: Task = "pointwise"


def rubric_path(which: str | Path) -> Path:
    """The file of a shipped rubric by its name, or of any rubric by its path (`.md`)."""
    path = Path(which)
    return path if path.suffix == ".md" else FOLDER / f"{which}.md"


def load_rubric(which: str | Path = DEFAULT, *, task: Task = "pointwise") -> Rubric:
    """Load a shipped rubric by name, or any rubric by the path of its `.md` file.

    Raises `SettingsError` when it cannot be read, is not a rubric, or is one for another task.
    """
    path = rubric_path(which)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"rubric {path.name} cannot be read: {type(error).__name__}", hint=_HINT
        ) from None
    rubric = parse_rubric(text, source=path.name)
    if rubric.task != task:
        raise SettingsError(
            f"rubric {path.name} is for {rubric.task} judging, and a {task} one is needed",
            hint=f'Say task = "{task}" in its front matter, or choose another rubric.',
        )
    return rubric


def pairwise_rubric_of(which: str | Path) -> Rubric:
    """The rubric for comparisons that goes with a pointwise one.

    It lies beside it under the same name: `support.md` has `support.pairwise.md`. Without such a file it is
    the shipped one. Raises `SettingsError` as `load_rubric` does.
    """
    beside = rubric_path(which).with_suffix(".pairwise.md")
    return load_rubric(beside if beside.exists() else PAIRWISE, task="pairwise")


def parse_rubric(text: str, *, source: str) -> Rubric:
    """Read a rubric from its text; ``source`` names it in errors. Raises `SettingsError`."""
    # Line ends are normalized first: a checkout on another system must not start a new epoch.
    text = text.replace("\r\n", "\n")
    lines = text.split("\n")
    try:
        end = lines.index(_FENCE, 1) if lines[0] == _FENCE else -1
    except ValueError:
        end = -1
    if end < 0:
        raise SettingsError(f"rubric {source} has no front matter between lines of +++", hint=_HINT)
    try:
        front = tomllib.loads("\n".join(lines[1:end]))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"rubric {source}: front matter is not TOML: {error}", hint=_HINT) from None
    body = "\n".join(lines[end + 1 :]).strip()
    if not body:
        raise SettingsError(f"rubric {source} has no text after the front matter", hint=_HINT)
    task = _task(front.get("task", "pointwise"), source)
    if task == "pairwise" and "taxonomy" in front:
        raise SettingsError(f"rubric {source}: pairwise rubrics have no [taxonomy]", hint=_HINT)
    return Rubric(
        name=_string(front, "name", source),
        version=_string(front, "version", source),
        taxonomy={} if task == "pairwise" else _taxonomy(front.get("taxonomy"), source),
        body=body,
        hash=hashlib.sha256(text.encode()).hexdigest()[:16],
        task=task,
    )


def _task(value: Any, source: str) -> Task:
    for task in get_args(Task):
        if value == task:
            found: Task = task
            return found
    raise SettingsError(f"rubric {source}: `task` must be pointwise or pairwise", hint=_HINT)


def _string(front: Mapping[str, Any], key: str, source: str) -> str:
    value = front.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"rubric {source}: `{key}` must be a non-empty string", hint=_HINT)
    return value


def _taxonomy(value: Any, source: str) -> dict[FailureKind, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) and v for v in value.values()):
        raise SettingsError(f"rubric {source}: [taxonomy] must map failure kinds to descriptions", hint=_HINT)
    known = {str(kind) for kind in FailureKind}
    unknown = sorted(set(value) - known)
    if unknown:
        raise SettingsError(
            f"rubric {source}: unknown failure kind {unknown[0]!r}",
            hint=f"Use some of: {', '.join(sorted(known))}.",
        )
    if str(FailureKind.OTHER) not in value:
        raise SettingsError(f"rubric {source}: [taxonomy] must keep `other`", hint=_HINT)
    return {FailureKind(kind): description for kind, description in value.items()}
