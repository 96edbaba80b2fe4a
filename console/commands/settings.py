"""`tailrace settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.options import Home, Json, settings_for
from console.settings_table import rows, with_table
from console.terminal import print_json, print_table, say


def settings(
    home: Home = None,
    as_json: Json = False,
    write_readme: Annotated[
        Path | None, typer.Option(hidden=True, help="Bring the settings table of a README up to date.")
    ] = None,
) -> None:
    """Show every setting, its value in force and what it means. Secrets are never shown.

    Set them in the environment (`TAILRACE_JOIN__HORIZON_MINUTES=60`) or in `tailrace.toml`.
    """
    if write_readme is not None:
        write_readme.write_text(with_table(write_readme.read_text(encoding="utf-8")), encoding="utf-8")
        say(f"{write_readme} is up to date")
        return
    found = rows(settings_for(home))
    if as_json:
        print_json({row.name: {"value": row.value, "default": row.default} for row in found})
    else:
        print_table(
            ["setting", "value", "meaning"],
            [[row.name, None if row.value in ("", {}) else row.value, row.meaning] for row in found],
        )
