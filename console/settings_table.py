"""The settings as a table: for `tailrace settings` and the README."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, SecretStr

from contracts.settings import ENV_PREFIX, Settings

START = "<!-- settings: written by `tailrace settings --write-readme`, do not edit by hand -->\n"
END = "<!-- /settings -->"


HOLD_CREDENTIALS: Final = frozenset({"kafka.security", "lake.storage_options"})
"""Settings whose values may be secrets, whatever their keys."""


class SettingRow(NamedTuple):
    """One setting: dotted name, environment variable, default, value in force, meaning."""

    name: str
    variable: str
    default: Any
    value: Any
    meaning: str


def rows(settings: Settings) -> list[SettingRow]:
    """Every setting in the order of the contract; secrets show as `***`."""
    found = []
    for section, info in Settings.model_fields.items():
        fields = getattr(info.annotation, "model_fields", None)
        owner = getattr(settings, section)
        named = [(f"{section}.{n}", f, getattr(owner, n)) for n, f in fields.items()] if fields else None
        for name, field, value in named or [(section, info, owner)]:
            found.append(
                SettingRow(
                    name=name,
                    variable=ENV_PREFIX + name.upper().replace(".", "__"),
                    default=_plain(field.get_default(call_default_factory=True)),
                    value=_shown(name, value),
                    meaning=field.description or "",
                )
            )
    return found


def _shown(name: str, value: Any) -> Any:
    if name in HOLD_CREDENTIALS:
        return dict.fromkeys(value, "***")
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, BaseModel):
        return {name: _plain(each) for name, each in value if each is not None}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return str(value) if isinstance(value, Path) else value


def markdown() -> str:
    """The defaults as a Markdown table."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for row in rows(Settings.model_construct()):
        shown = "" if row.default in (None, "", {}) else f"`{row.default}`"
        lines.append(f"| `{row.name}` | {shown} | {row.meaning} |")
    return "\n".join(lines) + "\n"


def with_table(readme: str) -> str:
    """A README with the table in its place."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{markdown()}{END}{after}"
