"""The lake's tables: one pandera (polars) model each, one description per column.

`TABLES` maps the table's name to its model; `frame_schema` gives the polars dtypes, `PARTITIONED`
says which tables are partitioned by `date`.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import pandera.polars as pa
import polars as pl

from contracts.errors import TableInvalid
from contracts.tables.base import Table
from contracts.tables.bronze import Consents, DeadLetters, Outcomes, Requests, Signals
from contracts.tables.curated import Examples, ExampleSketches, Preferences, Quarantine
from contracts.tables.evals import EvalItems, EvalSets, Releases
from contracts.tables.judging import (
    AnnotationTasks,
    Calibrations,
    JudgeAnchorRuns,
    JudgeAnchors,
    JudgeEpochs,
    Unjudged,
)
from contracts.tables.registry import (
    Announcements,
    DropMarks,
    Drops,
    ErasedIds,
    Erasures,
    LegalHolds,
    Lineage,
    Models,
    NightlyRuns,
    Pushes,
)
from contracts.tables.silver import Annotations, GoldLabels, Interactions, Judgments

TABLES: Final[dict[str, type[Table]]] = {
    "requests": Requests,
    "signals": Signals,
    "outcomes": Outcomes,
    "consents": Consents,
    "dead_letters": DeadLetters,
    "interactions": Interactions,
    "judgments": Judgments,
    "annotations": Annotations,
    "gold_labels": GoldLabels,
    "judge_epochs": JudgeEpochs,
    "calibrations": Calibrations,
    "annotation_tasks": AnnotationTasks,
    "unjudged": Unjudged,
    "judge_anchors": JudgeAnchors,
    "judge_anchor_runs": JudgeAnchorRuns,
    "examples": Examples,
    "example_sketches": ExampleSketches,
    "preferences": Preferences,
    "quarantine": Quarantine,
    "drops": Drops,
    "drop_marks": DropMarks,
    "pushes": Pushes,
    "announcements": Announcements,
    "nightly_runs": NightlyRuns,
    "models": Models,
    "erasures": Erasures,
    "erased_ids": ErasedIds,
    "legal_holds": LegalHolds,
    "lineage": Lineage,
    "eval_sets": EvalSets,
    "eval_items": EvalItems,
    "releases": Releases,
}
"""Every table of the lake by name."""

BRONZE: Final = ("requests", "signals", "outcomes", "consents")
"""Tables with one row per valid message."""


@cache
def validator(name: str) -> pa.DataFrameSchema:
    """The pandera schema of a table."""
    return TABLES[name].to_schema()


@cache
def frame_schema(name: str) -> pl.Schema:
    """Column names and polars dtypes of a table, in order."""
    return pl.Schema({c: spec.dtype.type for c, spec in validator(name).columns.items()})


@cache
def nullable_columns(name: str) -> frozenset[str]:
    """Columns that may be null."""
    return frozenset(c for c, spec in validator(name).columns.items() if spec.nullable)


def is_partitioned(name: str) -> bool:
    """Whether the table is partitioned by `date`."""
    return "date" in frame_schema(name)


def validate(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame unchanged, or raise `TableInvalid` naming table, column and check.

    The message never shows values: they may be user text.
    """
    if _fits(name, frame):
        return frame
    try:
        validator(name).validate(frame)
    except pa.errors.SchemaError as error:
        column = getattr(error.schema, "name", None) or name
        raise TableInvalid(
            f"rows for table {name} do not fit: column {column}, check {error.check}",
            hint="This is a defect in Tailrace or a table written by another version.",
        ) from None
    return frame


def _fits(name: str, frame: pl.DataFrame) -> bool:
    """Whether a frame passes everything its pandera model demands, in one pass over the data.

    pandera looks at each column in turn, which costs 50 ms of interpreter time per batch (measured:
    a fifth of the stream's background work). Only frames that fail here are given to it, for the
    verdict and the words; a check this function does not know always is.
    """
    conditions = _conditions(name)
    if conditions is None or frame.schema != frame_schema(name):
        return False
    return not conditions or bool(frame.select(pl.all_horizontal(conditions)).item())


@cache
def _conditions(name: str) -> list[pl.Expr] | None:
    """The model's demands on values as aggregations, None when one of them is of an unknown kind."""
    conditions = []
    for column, spec in validator(name).columns.items():
        if not spec.nullable:
            conditions.append(pl.col(column).null_count() == 0)
        for check in spec.checks:
            bounds = check.statistics or {}
            if check.name == "greater_than_or_equal_to":
                holds = pl.col(column) >= bounds["min_value"]
            elif check.name == "less_than_or_equal_to":
                holds = pl.col(column) <= bounds["max_value"]
            elif check.name == "isin":
                holds = pl.col(column).is_in(list(bounds["allowed_values"]))
            else:
                return None
            conditions.append(holds.all())
    return conditions
