"""The registry of models: which drops a model was trained on, and what a new base model makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from contracts.errors import DropInvalid, SettingsError
from contracts.tables import frame_schema
from sinks.lake import Lake
from sinks.transactions import append_once

MODEL_ID_HEX: Final = 16


@dataclass(frozen=True, kw_only=True)
class Training:
    """What was trained: on which drops, from which base, and where it is.

    `adapter`: name of a LoRA or other adapter, when only that was trained. `checkpoint`: URI of the weights.
    """

    drops: tuple[str, ...]
    base_model: str
    adapter: str | None = None
    checkpoint: str | None = None

    @property
    def model_id(self) -> str:
        """Id made of all of it: registering the same training again changes nothing."""
        parts = "\x1f".join([*sorted(self.drops), self.base_model, self.adapter or "", self.checkpoint or ""])
        return hashlib.sha256(parts.encode()).hexdigest()[:MODEL_ID_HEX]


def register(
    lake: Lake, training: Training, *, now: datetime, model_id: str | None = None
) -> tuple[str, bool]:
    """Register a model and its edges drop → model; returns its id and whether it is new.

    Raises `DropInvalid` for a drop that was never published, `SettingsError` when the id names another model.
    """
    known = set(lake.scan("drops").select("drop_id").collect()["drop_id"])
    if missing := [drop for drop in training.drops if drop not in known]:
        raise DropInvalid(
            f"there is no drop {missing[0]}", hint="`tailrace drops list` shows the published ones."
        )
    name = model_id or training.model_id
    row = {
        "model_id": name,
        "base_model": training.base_model,
        "adapter": training.adapter,
        "checkpoint_uri": training.checkpoint,
        "drop_ids": sorted(training.drops),
        "registered_at": now,
    }
    before = lake.scan("models").filter(pl.col("model_id") == name).collect()
    if before.height:
        same = before.drop("registered_at").row(0, named=True) == {
            key: value for key, value in row.items() if key != "registered_at"
        }
        if not same:
            raise SettingsError(
                f"model {name} is registered with other drops, base or checkpoint",
                hint="A registered model never changes; give the new one another --model-id.",
            )
    edges = [
        {
            "source_kind": "drop",
            "source_id": drop,
            "target_kind": "model",
            "target_id": name,
            "drop_id": drop,
            "recorded_at": now,
        }
        for drop in sorted(training.drops)
    ]
    # Edges first: a model without them would be one that audits do not find.
    append_once(
        lake, "lineage", pl.DataFrame(edges, schema=frame_schema("lineage")), batch_id=f"model/{name}"
    )
    new = append_once(
        lake, "models", pl.DataFrame([row], schema=frame_schema("models")), batch_id=f"model/{name}"
    )
    return name, bool(new)


def registered(lake: Lake) -> pl.DataFrame:
    """All models, newest first."""
    return lake.scan("models").sort("registered_at", "model_id", descending=[True, False]).collect()


def trained_on(lake: Lake, drops: Sequence[str]) -> pl.DataFrame:
    """Models trained on any of some drops."""
    hit = pl.col("drop_ids").list.set_intersection(list(drops)).list.len() > 0
    return registered(lake).filter(hit)


@dataclass(frozen=True, kw_only=True)
class Impact:
    """What a base model makes of one drop that models of other bases were trained on.

    `stale`: rows whose dispreferred or only side another base model wrote, so that a preference method would
    train on text the new model does not write (off-policy). `unknown`: rows that do not say what wrote them.
    `people`: rows whose preferred side people wrote; they stay true whatever the base is. `models`: affected.
    """

    drop_id: str
    channel: str
    as_of: datetime
    models: list[str]
    adapters: list[str]
    rows: int
    stale: int
    unknown: int
    people: int


def impact(lake: Lake, base_model: str) -> list[Impact]:
    """Every drop that models on another base were trained on, newest first.

    A row belongs to a base by its `base_model`, else by its `model`.
    """
    others = registered(lake).filter(pl.col("base_model") != base_model)
    by_drop = (
        others.explode("drop_ids")
        .group_by(drop_id="drop_ids")
        .agg(models=pl.col("model_id").sort(), adapters=pl.col("adapter").drop_nulls().unique().sort())
    )
    writer = pl.coalesce("base_model", "model")
    counts = (
        lake.scan("examples")
        .filter(pl.col("drop_id").is_in(by_drop["drop_id"].implode()))
        .group_by("drop_id")
        .agg(
            rows=pl.len(),
            stale=(writer != base_model).sum(),
            unknown=writer.is_null().sum(),
            people=(pl.col("source_type").is_in(["user_correction", "human_annotation"])).sum(),
        )
        .collect()
    )
    drops = lake.scan("drops").select("drop_id", "channel", "as_of").collect()
    found = (
        by_drop.join(drops, on="drop_id", how="inner")
        .join(counts, on="drop_id", how="left")
        .with_columns(pl.col("rows", "stale", "unknown", "people").fill_null(0))
        .sort("as_of", "drop_id", descending=[True, False])
    )
    names = list(Impact.__dataclass_fields__)
    return [Impact(**row) for row in found.select(names).iter_rows(named=True)]
