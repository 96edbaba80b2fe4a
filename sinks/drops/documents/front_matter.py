"""The YAML front matter of the dataset card: what the Hugging Face hub and `datasets` read.

Source: huggingface/hub-docs, `datasetcard.md`; `datasets` documentation, "Builder classes" (`dataset_info`);
hub documentation, "Manual configuration" (`configs`).
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import yaml

from sinks.drops.documents import phrases
from sinks.drops.documents.croissant import keywords
from sinks.drops.documents.drop import Drop
from sinks.drops.documents.licences import hub_licence
from sinks.drops.documents.tables import Table

SIZES: Final = (
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")),
    *((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B")),
)
"""Size categories: rows below the number."""

FIRST: Final = ("preference", "unpaired", "sft", "prompts")
"""The order of configurations; the first is what `load_dataset` takes when none is named."""


def front_matter(drop: Drop) -> str:
    """The front matter as YAML, without the lines of dashes around it."""
    return str(yaml.safe_dump(fields(drop), sort_keys=False, allow_unicode=True, width=1_000))


def fields(drop: Drop) -> dict[str, Any]:
    """What the front matter says. Languages are not in it: nobody recorded them."""
    licence = hub_licence(drop.summary.licences)
    tables = configured(drop)
    return {
        "pretty_name": phrases.title(drop),
        "license": licence.license,
        **({"license_name": licence.name} if licence.name else {}),
        "annotations_creators": ["machine-generated", *_people(drop)],
        "language_creators": ["found", "machine-generated"],
        "source_datasets": ["original"],
        "size_categories": [size_category(drop.summary.examples)],
        **({"task_categories": ["text-generation"]} if tables else {}),
        "tags": keywords(drop),
        **({"configs": [_config(table, n == 0) for n, table in enumerate(tables)]} if tables else {}),
        **({"dataset_info": [_info(table) for table in tables]} if tables else {}),
    }


def configured(drop: Drop) -> list[Table]:
    """Tables that `load_dataset` can load by name. `datasets` takes one file format per repository, Parquet
    here; and it refuses files without rows, as the provenance of an empty drop."""
    found = [table for table in drop.tables if table.schema is not None and table.rows]
    order = {name: n for n, name in enumerate(FIRST)}
    return sorted(found, key=lambda table: (order.get(table.name, len(order)), table.name))


def size_category(rows: int) -> str:
    """The hub's category of a number of rows."""
    return next((name for below, name in SIZES if rows < below), "n>1T" if rows >= 10**12 else "other")


def _people(drop: Drop) -> list[str]:
    # Who they are is not recorded, so that neither `expert-generated` nor `crowdsourced` may be said.
    return ["other"] if drop.summary.counts["verdict_source"].get("human") else []


def _config(table: Table, default: bool) -> dict[str, Any]:
    return {
        "config_name": table.name,
        "data_files": [{"split": split, "path": file.name} for split, file in table.files.items()],
        **({"default": True} if default else {}),
    }


def _info(table: Table) -> dict[str, Any]:
    assert table.schema is not None
    return {"config_name": table.name, "features": [feature(column) for column in table.schema]}


def feature(column: pa.Field) -> dict[str, Any]:
    """A column as `datasets` writes it into a card (`Features._to_yaml_list`)."""
    kind = column.type
    if not pa.types.is_list(kind):
        return {"name": column.name, "dtype": _dtype(kind)}
    if pa.types.is_struct(kind.value_type):
        return {"name": column.name, "list": [feature(part) for part in kind.value_type]}
    return {"name": column.name, "list": _dtype(kind.value_type)}


def _dtype(kind: pa.DataType) -> str:
    if isinstance(kind, pa.BaseExtensionType):
        return "json"
    names = {pa.float64(): "float64", pa.float32(): "float32"}
    return names.get(kind) or str(kind)
