"""What a reader sees of the drops of a home, and what nobody may ever see of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from contracts.errors import TerminalError
from contracts.tables.persons import personal_tables
from curation.erasure.successors import COPIED
from sinks import audits
from sinks.drops.manifest import verify
from sinks.drops.publish import registry
from sinks.drops.verification import verify_registry
from tests.faults.drop_children import lake_of, settings_of

DROPS: Final = "drops"
VOLATILE: Final = ("scan", "files_removed", "logs_rewritten", "proven_again")
"""Parts of a certificate that depend on which files a killed run left behind (their names are random), and
on whether it was killed when all was done."""


@dataclass(frozen=True)
class State:
    """Everything readers go by. files: name below the drops folder → bytes; tables: name → rows in order."""

    registry: pl.DataFrame
    latest: str
    files: dict[str, bytes]
    tables: dict[str, pl.DataFrame]

    def rows(self, table: str, drop_id: str) -> pl.DataFrame:
        """The rows of a drop in a table."""
        return self.tables[table].filter(pl.col("drop_id") == drop_id)


def state(home: Path) -> State:
    """What a process sees that opens the home now."""
    lake, root = lake_of(home), settings_of(home).drops_root
    tables = {}
    for name in {*personal_tables(), *COPIED, "erasures", "erased_ids", "drop_marks"}:
        rows = lake.scan(name).collect()
        # The certificate is compared by itself: it counts the bytes of logs, too.
        rows = rows.drop("certificate", strict=False)
        tables[name] = rows[rows.hash_rows(0).arg_sort()]
    return State(
        registry=registry(lake),
        latest=(root / "LATEST").read_text().strip(),
        files={
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and not path.relative_to(root).as_posix().startswith(".")
        },
        tables=tables,
    )


def same(found: State, expected: State) -> None:
    """Two homes hold the same drops, byte for byte, and the same rows."""
    # How long the steps took, and newer table versions that hold the same (`sinks.drops.recipe`), is all that
    # two builds of a drop may differ in.
    for name in set(expected.registry.columns) - {"step_seconds", "recipe"}:
        assert found.registry[name].to_list() == expected.registry[name].to_list(), name
    assert found.latest == expected.latest
    assert found.files.keys() == expected.files.keys()
    assert [name for name in found.files if found.files[name] != expected.files[name]] == []
    for name, rows in found.tables.items():
        assert rows.equals(expected.tables[name]), (name, rows.height, expected.tables[name].height)


def nothing_half_visible(home: Path, expected: State) -> None:
    """Whatever readers are led to is whole; what is not whole nobody is led to.

    `expected`: the state that the killed run would have come to. Superseded drops are those of an erasure:
    once a successor is in force, what is left of their files is nobody's.
    """
    lake, root = lake_of(home), settings_of(home).drops_root
    found = state(home)
    registered = set(found.registry["drop_id"])
    assert registered <= set(expected.registry["drop_id"])
    assert found.latest in registered
    replaced = set(lake.scan("drop_marks").collect()["drop_id"])
    for drop_id in registered - replaced:
        assert verify(root / drop_id) == []
    # A folder that is there is whole, registered or not.
    for folder in (path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if folder.name not in replaced:
            assert verify(folder) == []
    assert verify_registry(lake, root).problems == []
    for drop_id in registered - replaced:
        for name in COPIED:
            if _complete_in(expected, name, drop_id):
                assert found.rows(name, drop_id).height == expected.rows(name, drop_id).height, name
    _audits_know_no_other(home, registered, found)
    for told in lineage(home):
        if told["eventType"] == "COMPLETE":
            assert {out["facets"]["version"]["datasetVersion"] for out in told["outputs"]} <= registered
    assert not list(root.glob(".announced-*"))


def _complete_in(expected: State, table: str, drop_id: str) -> bool:
    """Whether the run leaves the rows of a drop in a table as they are."""
    return drop_id not in set(expected.tables["drop_marks"]["drop_id"]) and table in expected.tables


def _audits_know_no_other(home: Path, registered: set[str], found: State) -> None:
    """No auditor is told of rows of a drop that was never published."""
    lake = lake_of(home)
    examples = found.tables["examples"]
    users = examples["user_key"].drop_nulls().unique().to_list()
    for user in users:
        assert {drop["drop_id"] for drop in audits.user(lake, user)["drops"]} <= registered
    unheard = examples.filter(~pl.col("drop_id").is_in(list(registered)))["example_id"]
    known = examples.filter(pl.col("drop_id").is_in(list(registered)))["example_id"]
    for example in set(unheard) - set(known):
        try:
            audits.example(lake, example)
        except TerminalError:
            continue
        raise AssertionError(f"example {example} of no published drop is known")


def lineage(home: Path) -> list[dict[str, Any]]:
    """Lineage events told so far; none is half-written."""
    path = home / "lineage.jsonl"
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def certificate(home: Path) -> dict[str, Any]:
    """The certificate of the erasure, without what depends on how often it was begun."""
    (path,) = [p for p in (home / "erasures").glob("erasure-*.json") if ".work" not in p.name]
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    assert found["absent"]
    assert found["scan"]["found"] == {}
    kept = {name: value for name, value in found.items() if name not in VOLATILE}
    kept["tables"] = {
        name: {k: v for k, v in counts.items() if k != "files_removed"}
        for name, counts in found["tables"].items()
    }
    return kept
