"""The rows of a drop in Croissant: a record set per table, with a field per column and one for the split."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from sinks.drops.documents.columns import COLUMNS, TABLES
from sinks.drops.documents.croissant_files import file_set
from sinks.drops.documents.croissant_rai import agent, judges
from sinks.drops.documents.drop import Drop
from sinks.drops.documents.tables import WHOLE, Table

SPLITS: Final = "splits"
SPLIT_TYPES: Final = {"train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit"}

KEYS: Final = {"provenance": "example_id"}
"""Columns that identify the rows of a table."""

LABELS: Final = frozenset({"unpaired/label"})
"""Columns that say what a verdict was."""

Node = dict[str, Any]


def record_sets(drop: Drop) -> list[Node]:
    """A record set per Parquet table, after the one that names the splits."""
    tables = [table for table in drop.tables if table.schema is not None]
    names = sorted({split for table in tables for split in table.files if split in SPLIT_TYPES})
    judged = {"prov:wasAttributedTo": [agent(name) for name in judges(drop)]}
    return [*([_splits(names)] if names else []), *(_records(table, judged) for table in tables)]


def _splits(names: list[str]) -> Node:
    return {
        "@type": "cr:RecordSet",
        "@id": SPLITS,
        "name": SPLITS,
        "description": "The splits of the tables.",
        "dataType": "cr:Split",
        "key": {"@id": f"{SPLITS}/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"{SPLITS}/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": f"{SPLITS}/url", "name": "url", "dataType": ["sc:URL", "cr:Split"]},
        ],
        "data": [{f"{SPLITS}/name": name, f"{SPLITS}/url": SPLIT_TYPES[name]} for name in names],
    }


def _records(table: Table, judged: Node) -> Node:
    assert table.schema is not None
    key = KEYS.get(table.name)
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": TABLES.get(table.name, "Rows of the drop."),
        **({"key": {"@id": f"{table.name}/{key}"}} if key else {}),
        "field": [
            *([_split(table)] if WHOLE not in table.files else []),
            *(_field(table, column, judged) for column in table.schema),
        ],
    }


def _split(table: Table) -> Node:
    # The split a file is of; `provenance` says it in a column of its own.
    return {
        "@type": "cr:Field",
        "@id": f"{table.name}/split",
        "name": "split",
        "description": "The split of the row.",
        "dataType": "sc:Text",
        "references": {"field": {"@id": f"{SPLITS}/name"}},
        "source": {
            "fileSet": {"@id": file_set(table)},
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": rf"^{table.name}/({'|'.join(table.files)})\.parquet$"},
        },
    }


def _field(table: Table, column: pa.Field, judged: Node) -> Node:
    name, kind = f"{table.name}/{column.name}", column.type
    node: Node = {"@type": "cr:Field", "@id": name, "name": column.name}
    if described := COLUMNS.get(column.name):
        node["description"] = described
    source: Node = {"fileSet": {"@id": file_set(table)}, "extract": {"column": column.name}}
    if pa.types.is_list(kind):
        node |= {"isArray": True, "arrayShape": "-1"}
        if pa.types.is_struct(kind.value_type):
            return node | {"subField": [_part(name, part, source) for part in kind.value_type]}
        kind = kind.value_type
    if name in LABELS:
        return node | {"dataType": [data_type(kind), "cr:Label"], "source": source, **judged}
    return node | {"dataType": data_type(kind), "source": source}


def _part(name: str, part: pa.Field, source: Node) -> Node:
    return {
        "@type": "cr:Field",
        "@id": f"{name}/{part.name}",
        "name": part.name,
        "dataType": data_type(part.type),
        "source": source | {"transform": {"jsonPath": part.name}},
    }


def data_type(kind: pa.DataType) -> str:
    """The Croissant type of an Arrow type; JSON is text. Raises `ValueError` for a type no drop has."""
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_string(kind):
        return "sc:Text"
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return f"cr:Int{kind.bit_width}"
    if pa.types.is_floating(kind):
        return f"cr:Float{kind.bit_width}"
    if pa.types.is_timestamp(kind):
        return "sc:DateTime"
    raise ValueError(f"no Croissant type for {kind}")
