"""The rules on rows, before any file is written: which of them a drop may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import polars as pl

from contracts.chat import Turn
from sinks.drops.checks.facts import facts, well_formed
from sinks.drops.checks.rules import RULES

_TURNS: Final = {
    "preference": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
    "unpaired": {"prompt": "prompt", "completion": "_completion"},
}

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


def fit(rows: pl.DataFrame) -> pl.Series:
    """Which rows (as `formats.write_files` takes them) break no rule; boolean, in their order."""
    rows = rows.select(
        "kind", "prompt", "chosen", "rejected", _completion=pl.coalesce("chosen", "rejected")
    ).with_row_index("_row")
    broken: set[int] = set()
    for kind, columns in _TURNS.items():
        mine = rows.filter(pl.col("kind") == kind)
        found = pl.concat(
            [
                facts(_opened(mine[source])).select(pl.all().name.prefix(f"{column}."))
                for column, source in columns.items()
            ],
            how="horizontal",
        )
        wrong = pl.any_horizontal(rule.broken.fill_null(value=True) for rule in RULES[kind])
        broken |= set(mine.filter(found.select(wrong).to_series())["_row"])
    return pl.Series([row not in broken for row in range(rows.height)], dtype=pl.Boolean)


def _opened(column: Iterable[str | None]) -> Iterator[list[Turn] | None]:
    for value in column:
        try:
            turns = _decode(value or "")
        except (msgspec.MsgspecError, RecursionError):
            yield None
        else:
            yield turns if well_formed(turns) else None
