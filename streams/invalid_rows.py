"""Rows that their table refuses, taken out of a checkpoint: the events behind them are poison."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from contracts.errors import TableInvalid
from contracts.tables import frame_schema, validate
from streams.checkpoint import Checkpoint
from streams.isolation import Poison, Rows, isolate, without


def without_invalid(checkpoint: Checkpoint, error: TableInvalid) -> Checkpoint:
    """The checkpoint without rows that do not fit their table; the rest is as it was.

    Only for a checkpoint whose storing raised `error`, which is raised again when no row of it is to
    blame. An interaction that does not fit makes its request the poison.
    """
    poison = list(checkpoint.poison)
    bronze = {}
    for kind, (topic, rows) in checkpoint.bronze.items():
        found = _refused(kind, kind, rows.select(list(frame_schema(kind))))
        bronze[kind] = (topic, without(rows, ((p.partition, p.offset) for p in found)))
        poison += found
    unfit = _refused("interactions", "requests", checkpoint.interactions)
    poison += unfit
    if len(poison) == len(checkpoint.poison):
        raise error
    interactions = without(checkpoint.interactions, ((p.partition, p.offset) for p in unfit))
    return replace(checkpoint, bronze=bronze, interactions=interactions, poison=tuple(poison))


def _refused(table: str, kind: str, rows: pl.DataFrame) -> tuple[Poison, ...]:
    def step(given: Rows) -> pl.DataFrame:
        return validate(table, given[kind])

    return isolate({kind: rows}, step).poison
