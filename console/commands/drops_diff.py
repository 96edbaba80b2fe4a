"""`tailrace drops diff`: what changed between two drops, as text, JSON or a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import polars as pl
import typer

from console.drop_ids import resolve
from console.options import Home, Json, open_lake, settings_for
from console.report.drop_diff import render
from console.terminal import out, print_json, print_table, say
from sinks.drops.diff import NEEDED, DropDiff, diff
from sinks.drops.manifest import read_manifest
from sinks.lake import Lake
from sinks.pages.templating import write_page

SHOWN: Final = 10
"""Ids, requests and values named at the terminal; `--json` has all."""

MOVED: Final = 0.01
"""Columns whose distribution moved less are not shown at the terminal."""


def drops_diff(
    before: Annotated[str, typer.Argument(help="Drop to compare from.", show_default=False)],
    after: Annotated[str, typer.Argument(help="Drop to compare to; `latest` is the newest.")] = "latest",
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it as a page, too.", show_default=False),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Say what changed between two drops: rows, labels, distributions, settings.

    A later drop of a channel holds what is new (and some of the old again), so most of its rows are
    additions; the shares of sources, features, models and labels say whether it is another kind of data.

    With `--json`: `added` and `removed` (example ids), `kept`, `relabelled` (`request_id`, `before`,
    `after`), `shifts` (`column`, `distance` 0 to 1, `psi`, `shares`), `settings` (`name`, `before`, `after`).
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    ids = [resolve(settings, name) for name in (before, after)]
    rows = [_examples(lake, drop_id) for drop_id in ids]
    manifests = [read_manifest(settings.drops_root / drop_id) for drop_id in ids]
    found = diff(rows[0], rows[1], manifests[0], manifests[1])
    if html is not None:
        write_page(html, render(found))
        say(f"written to {html}")
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _show(found)


def _examples(lake: Lake, drop_id: str) -> pl.DataFrame:
    return lake.scan("examples").filter(pl.col("drop_id") == drop_id).select(NEEDED).collect()


def _show(found: DropDiff) -> None:
    out.print(
        f"{found.before} → {found.after}: {found.rows_before:,} rows → {found.rows_after:,}; "
        f"{found.kept:,} kept, {len(found.added):,} added, {len(found.removed):,} removed, "
        f"{len(found.relabelled):,} requests say something else",
        highlight=False,
        soft_wrap=True,
    )
    if found.relabelled:
        print_table(
            ["request", "before", "after"],
            [[r.request_id, ", ".join(r.before), ", ".join(r.after)] for r in found.relabelled[:SHOWN]],
            title="Relabelled",
        )
    moved = [s for s in found.shifts if s.distance >= MOVED]
    if moved:
        print_table(
            ["column", "distance", "PSI", "moved most"],
            [
                [
                    s.column,
                    s.distance,
                    s.psi,
                    ", ".join(f"{v.value} {v.share_before:.0%} → {v.share_after:.0%}" for v in s.shares[:3]),
                ]
                for s in moved
            ],
            title="Distributions that moved (distance: share of rows that would have to change)",
        )
    if found.settings:
        rows: list[list[Any]] = [[c.name, _brief(c.before), _brief(c.after)] for c in found.settings]
        print_table(["setting", "before", "after"], rows, title="What decided them")


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}…"
