"""The files of a drop in Croissant: each with its checksum, and those of a table as one set."""

from __future__ import annotations

from typing import Any, Final

from sinks.drops.documents.drop import Drop
from sinks.drops.documents.tables import DataFile, Table

PARQUET: Final = ["application/vnd.apache.parquet", "application/x-parquet"]
"""The registered media type, and the name the Croissant tools know it by."""

JSON_LINES: Final = "application/jsonlines"

SAME: Final = {"openai/preference": "preference", "openai/sft": "sft"}
"""Tables that say the same as another one in another format."""


def file_set(table: Table) -> str:
    """Id of the set of a table's files."""
    return f"{table.name}-files"


def distribution(drop: Drop) -> list[dict[str, Any]]:
    """Every data file, and a set for the files of each table that can be read as records."""
    found: list[dict[str, Any]] = []
    for table in drop.tables:
        other = drop.table(SAME.get(table.name, ""))
        for split, file in table.files.items():
            found.append(_object(table, file, other.files.get(split) if other else None))
        if table.schema is not None:
            found.append(_set(table))
    return found


def _object(table: Table, file: DataFile, same: DataFile | None) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "contentUrl": file.name,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": PARQUET if table.schema is not None else JSON_LINES,
        "sha256": file.sha256,
        **({"sameAs": same.name} if same else {}),
    }


def _set(table: Table) -> dict[str, Any]:
    # Without a container: the files lie beside the description. `mlcroissant` cannot read records of a set
    # that is contained in several plain files.
    return {
        "@type": "cr:FileSet",
        "@id": file_set(table),
        "name": file_set(table),
        "encodingFormat": PARQUET,
        "includes": [file.name for file in table.files.values()],
    }
