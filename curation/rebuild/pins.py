"""Which version of each table a rebuild reads, and what keeps it from reading one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
from deltalake.exceptions import DeltaError

from contracts import reasons
from curation.judge.gold import gold_in_force
from curation.label_snapshot import labels_sha256
from sinks.drops.marks import superseded
from sinks.drops.recipe import Recipe
from sinks.evals import named_sets
from sinks.lake import Lake
from sinks.table_versions import gone, same_rows_from, stored_files


@dataclass
class Pins:
    """Versions to read by table (None: there was no such table), and what was found on the way.

    problems: what cannot be read any more. notes: where another version stands in, and why it may.
    """

    versions: dict[str, int | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_pins(lake: Lake, recipe: Recipe) -> Pins:
    """The recorded versions where they can be read; else later ones that hold the same.

    That is so when the log tells only merges of files since, or when the newest version still has every row
    that is looked up. Reads logs and lists files; raises nothing of what it misses.
    """
    found = Pins()
    for name, version in recipe.reads.items():
        if version is None:
            found.versions[name] = None
        elif not lake.exists(name):
            found.problems.append(f"table {name}: it is not there any more")
        else:
            _find(lake, name, version, recipe, found)
    return found


def _find(lake: Lake, name: str, version: int, recipe: Recipe, found: Pins) -> None:
    stored = stored_files(lake, name)
    lost = gone(lake, name, version, stored)
    if lost is None:
        found.versions[name] = version
        return
    for later in same_rows_from(lake, name, version):
        if gone(lake, name, later, stored) is None:
            found.versions[name] = later
            found.notes.append(f"{lost}; version {later}, which holds the same rows, is read instead")
            return
    why = _WHOLE[name](lake, recipe) if name in _WHOLE else []
    if why is None:
        found.versions[name] = lake.version(name)
        found.notes.append(f"{lost}; what is looked up there is in the newest version, too")
    else:
        found.problems += [f"{lost}{told}" for told in why or [""]]


def as_of(lake: Lake, names: Sequence[str], moment: datetime) -> dict[str, int | None]:
    """The version each table had at a moment, as far back as its log goes; for drops that do not say."""
    found: dict[str, int | None] = {}
    for name in names:
        if not lake.exists(name):
            found[name] = None
            continue
        table = lake.table(name)
        try:
            table.load_as_version(moment)
        except DeltaError:
            # No commit that old is known any more.
            table = lake.table(name)
        found[name] = int(table.version())
    return found


def _labels(lake: Lake, recipe: Recipe) -> list[str] | None:
    """None when the labels in force now are those of the drop."""
    if labels_sha256(gold_in_force(lake)) == recipe.labels:
        return None
    count = recipe.about["authority"]["gold"]["labels"]
    return [f"; {count:,} labels of people were in force, and those in force now are others"]


def _eval_sets(lake: Lake, recipe: Recipe) -> list[str] | None:
    """None when every eval set of the drop is still registered."""
    there = {(row["eval_set"], row["version"]) for row in named_sets(lake, recipe.about["evals"]).to_dicts()}
    missing = [e for e in recipe.about["evals"] if (e["eval_set"], e["version"]) not in there]
    return [f"; eval set {e['eval_set']} version {e['version']} is not in it" for e in missing] or None


def _eval_items(lake: Lake, recipe: Recipe) -> list[str] | None:
    """None when every item of the drop's eval sets is there."""
    sets = named_sets(lake, recipe.about["evals"])
    if sets.height < len(recipe.about["evals"]):
        return [""]
    counts = (
        lake.scan("eval_items").group_by("eval_set", "version").agg(pl.col("item_id").n_unique()).collect()
    )
    have = {(name, version): count for name, version, count in counts.iter_rows()}
    problems = []
    for row in sets.iter_rows(named=True):
        held = have.get((row["eval_set"], row["version"]), 0)
        if held != row["items"]:
            name = f"{row['eval_set']} version {row['version']}"
            problems.append(f"; eval set {name}: {held:,} of {row['items']:,} items left")
    return problems or None


def _earlier(table: str) -> Callable[[Lake, Recipe], list[str] | None]:
    def whole(lake: Lake, recipe: Recipe) -> list[str] | None:
        """None when every row of the drop's earlier drops is there."""
        wanted = pl.col("drop_id").is_in(list(recipe.about["earlier_drops"]))
        rows = lake.scan("drops").filter(wanted).collect()
        counts = dict(lake.scan(table).filter(wanted).group_by("drop_id").len().collect().iter_rows())
        replaced, problems = superseded(lake), []
        for row in rows.sort("drop_id").iter_rows(named=True):
            name, of = row["drop_id"], row["preference_rows"] + row["unpaired_rows"]
            if (left := counts.get(name, 0)) < of:
                by = (
                    f" ({name} was erased from; {replaced[name]} stands in for it)"
                    if name in replaced
                    else ""
                )
                problems.append(f"; of earlier drop {name} {of - left:,} of {of:,} rows are gone{by}")
        return problems or None

    return whole


def _no_poison(lake: Lake, _recipe: Recipe) -> list[str] | None:
    """None when no event was ever taken back out of bronze: then no version says anything."""
    poison = lake.scan("dead_letters").filter(reason=reasons.POISON).head(1).collect()
    return None if poison.is_empty() else ["; events were found to be poison, and which then is not known"]


def _any(_lake: Lake, _recipe: Recipe) -> None:
    """Verdicts never change, and what had none then is known: any version that has them will do."""


_WHOLE: dict[str, Callable[[Lake, Recipe], list[str] | None]] = {
    "judgments": _any,
    "gold_labels": _labels,
    "eval_sets": _eval_sets,
    "eval_items": _eval_items,
    "examples": _earlier("examples"),
    "example_sketches": _earlier("example_sketches"),
    "dead_letters": _no_poison,
}
"""Table → whether its newest version has all that a drop looked up (None), or what is missing."""
