"""Rubrics: Markdown files with TOML front matter between lines of `+++`.

Front matter holds `name`, `version` and `[taxonomy]`: failure kind → what it means here. The kinds
are those of `verdicts.FailureKind`; a rubric may leave some out, but not `other`.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts.errors import SettingsError
from curation.judge.verdicts import FailureKind

FOLDER: Final = Path(__file__).with_name("rubrics")
DEFAULT: Final = "default"

_FENCE: Final = "+++"
_HINT: Final = "See curation/judge/rubrics/default.md for the shape of a rubric."


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """What a judge is told to look for. ``hash`` (16 hex) covers the whole file's text."""

    name: str
    version: str
    taxonomy: Mapping[FailureKind, str]
    body: str
    hash: str


def load_rubric(which: str | Path = DEFAULT) -> Rubric:
    """Load a shipped rubric by name, or any rubric by the path of its `.md` file.

    Raises `SettingsError` when it cannot be read or is not a rubric.
    """
    path = Path(which)
    if path.suffix != ".md":
        path = FOLDER / f"{which}.md"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"rubric {path.name} cannot be read: {type(error).__name__}", hint=_HINT
        ) from None
    return parse_rubric(text, source=path.name)


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
    return Rubric(
        name=_string(front, "name", source),
        version=_string(front, "version", source),
        taxonomy=_taxonomy(front.get("taxonomy"), source),
        body=body,
        hash=hashlib.sha256(text.encode()).hexdigest()[:16],
    )


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
