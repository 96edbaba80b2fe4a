"""The Parquet files that trainers read: which rows they hold, and their columns.

Source: TRL documentation, "Dataset formats and types": conversational preference with an explicit prompt
(`prompt`, `chosen`, `rejected`), unpaired preference (`prompt`, `completion`, `label`), language modelling
(`messages`), prompt-only (`prompt`), and `tools` beside any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import polars as pl
import pyarrow as pa

from sinks.drops.formats.layout import PREFERENCE_FILE, PROMPTS_FILE, SFT_FILE, UNPAIRED_FILE
from sinks.drops.formats.placing import FIRST_PROMPT, LEARNED, PAIR
from sinks.drops.formats.turns import TOOL_TURNS, TURNS, joined

TOOLS: Final = ("tools", pa.json_())
"""The functions offered; a column of files in which some were. TRL reads a list, or its JSON."""

MARGIN: Final = ("margin", pa.float64())
"""How much better the chosen side is, 0 to 1. Only in drops whose pairs all have one, because TRL's
`RewardTrainer` uses the column whenever it is there and fails on nulls; `provenance` has it always."""

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


@dataclass(frozen=True)
class TrainingFile:
    """A kind of Parquet file: its name by split, the (placed) rows it holds, and its columns.

    turns: columns that are lists of turns, made from JSON lists. values: further columns and their types.
    """

    pattern: str
    holds: pl.Expr
    turns: Mapping[str, pl.Expr]
    values: Mapping[str, pa.DataType] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, pl.Expr]:
        """What makes the columns that rows do not have as they stand in the file."""
        return {**self.turns, MARGIN[0]: pl.col(MARGIN[0]).clip(lower_bound=0.0)}

    def schema(self, rows: pl.DataFrame) -> pa.Schema:
        """Columns of the files of these rows; both splits are given the same."""
        sources = {name for expression in self.turns.values() for name in expression.meta.root_names()}
        plain = not any(_calls_tools(rows[name]) for name in sources)
        columns = [(name, TURNS if plain else TOOL_TURNS) for name in self.turns]
        whole = rows.height > 0 and not rows[MARGIN[0]].null_count()
        more = [(name, kind) for name, kind in self.values.items() if name != MARGIN[0] or whole]
        offered = [TOOLS] if rows["tools"].null_count() < rows.height else []
        return pa.schema([*columns, *more, *offered])


TRAINING_FILES: Final = (
    TrainingFile(
        PREFERENCE_FILE,
        PAIR,
        {name: pl.col(name) for name in ("prompt", "chosen", "rejected")},
        dict([MARGIN]),
    ),
    TrainingFile(
        UNPAIRED_FILE,
        ~PAIR,
        {"prompt": pl.col("prompt"), "completion": pl.coalesce("chosen", "rejected")},
        {"label": pa.bool_()},
    ),
    TrainingFile(SFT_FILE, LEARNED, {"messages": joined(pl.col("prompt"), pl.col("chosen"))}),
    TrainingFile(PROMPTS_FILE, FIRST_PROMPT, {"prompt": pl.col("prompt")}),
)


def _calls_tools(turns: pl.Series) -> bool:
    """Whether a turn has more than a role and a text; only rows that could are opened."""
    suspects = turns.filter(turns.str.contains('"tool_call', literal=True))
    return any(turn.keys() > {"role", "content"} for value in suspects for turn in _decode(value))
