"""Published drops that hold rows of a person: a successor without them takes each one's place.

Per drop, in this order, as one run of lineage; every step can be repeated: publish the successor (staged,
verified, registered last), mark the old drop as superseded, move `LATEST`, and only then replace the old
drop's files by a manifest that says where the successor is. A kill leaves the old drop whole, or the new one
published. Workers announce both (`sinks.drops.notices`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from contracts.tables import frame_schema
from contracts.tables.persons import IdKind
from curation.erasure.lineage import successor_run
from curation.nightly import kto_weights
from sinks.drops.checks import fit
from sinks.drops.formats import PROVENANCE_FILE, PROVENANCE_SCHEMA
from sinks.drops.manifest import (
    MANIFEST_FILE,
    SUMS_FILE,
    read_manifest,
    stable_hash,
    verify,
    write_manifest,
)
from sinks.drops.marks import mark_superseded
from sinks.drops.publish import publish, published, settle_latest
from sinks.drops.reading import read_rows
from sinks.drops.staging import stage
from sinks.erasure.person import Person
from sinks.lake import Lake
from sinks.openlineage import BuildRun, Emitter
from sinks.tombstones import any_of

REASON: Final = "erasure"

COPIED: Final = ("examples", "preferences", "example_sketches", "quarantine", "lineage")
"""Tables whose rows of a drop belong to its successor too."""


@dataclass(frozen=True, slots=True)
class Affected:
    """A published drop that holds rows of the person. `models` had been trained on it."""

    drop_id: str
    channel: str
    rows: int
    models: tuple[str, ...]


def affected(lake: Lake, drops_root: Path, person: Person) -> list[Affected]:
    """Published drops whose files hold rows of the person, oldest first. Reads every drop's provenance."""
    drops = lake.scan("drops").sort("as_of", "published_at").collect() if lake.exists("drops") else None
    found = []
    for row in () if drops is None else drops.iter_rows(named=True):
        folder = drops_root / row["path"]
        count = int(_theirs(folder, person).sum()) if (folder / PROVENANCE_FILE).is_file() else 0
        if count:
            models = tuple(models_of(lake, [row["drop_id"]]))
            found.append(Affected(row["drop_id"], row["channel"], count, models))
    return found


def models_of(lake: Lake, drop_ids: Iterable[str]) -> list[str]:
    """Models trained on any of these drops."""
    if not lake.exists("models"):
        return []
    wanted = pl.Series(list(drop_ids), dtype=pl.String)
    rows = lake.scan("models").select("model_id", "drop_ids").collect()
    hits = rows.select(any_of("drop_ids", rows.schema["drop_ids"], wanted)).to_series()
    return sorted(rows.filter(hits)["model_id"].unique())


def _theirs(folder: Path, person: Person) -> pl.Series:
    """Which rows of a drop's provenance are the person's (boolean)."""
    rows = pl.read_parquet(folder / PROVENANCE_FILE, columns=["request_ids", "evidence_ids"])
    return _owned(rows, person)


def _owned(rows: pl.DataFrame, person: Person) -> pl.Series:
    kinds: dict[str, IdKind] = {"request_ids": "request", "evidence_ids": "event"}
    tests = [
        any_of(column, rows.schema[column], pl.Series(sorted(person.of(kind)), dtype=pl.String))
        for column, kind in kinds.items()
    ]
    return rows.select(pl.any_horizontal(tests)).to_series()


def successor_id(drop_id: str, erasure_id: str) -> str:
    """Id of the drop that takes a drop's place after an erasure: the same whenever it is asked for."""
    return f"{drop_id.split('-')[0]}-{stable_hash([drop_id, REASON, erasure_id])[:12]}"


def supersede(
    lake: Lake,
    drops_root: Path,
    drop: Affected,
    person: Person,
    *,
    erasure_id: str,
    now: datetime,
    step: Callable[[str], None],
    lineage: Emitter,
) -> str:
    """Publish the successor of a drop, mark the drop, and clear its files; returns the successor's id.

    The rows of the person must have left the tables. Rows that break a rule of the formats, which drops of
    older versions may hold, are left out and counted (`unfit`). The caller holds the build lock. Raises
    `DropInvalid` when the drop's own files are damaged.
    """
    old = published(lake, drop.drop_id) or {}
    folder, new_id = drops_root / old["path"], successor_id(drop.drop_id, erasure_id)
    with lineage.run(successor_run(lake, drops_root, old, new_id, tables=COPIED, reason=REASON)) as run:
        _replace(lake, drop, person, old, run, erasure_id=erasure_id, now=now, step=step)
        run.files = read_manifest(drops_root / new_id)["files"]
    clear(folder, drop.drop_id, new_id, erasure_id)
    step("cleared")
    return new_id


def _replace(
    lake: Lake,
    drop: Affected,
    person: Person,
    old: Mapping[str, Any],
    run: BuildRun,
    *,
    erasure_id: str,
    now: datetime,
    step: Callable[[str], None],
) -> None:
    """Publish the successor, mark the drop, move `LATEST`."""
    drops_root, new_id = run.drops_root, run.drop_id
    folder = drops_root / old["path"]
    if published(lake, new_id) is None:
        rows = _whole(read_rows(folder), lake, drop.drop_id)
        mine = _owned(rows, person)
        left, removed = rows.filter(~mine), rows.filter(mine)
        # A drop of an older version may hold rows that none may hold now; an erasure must not wait for them.
        fine = fit(left)
        left, unfit = left.filter(fine), left.filter(~fine)
        content = _content(read_manifest(folder), new_id, left, removed, unfit, erasure_id)
        staged = stage(drops_root, new_id, left, content)
        run.checks = staged.checks
        step("staged")
        publish(
            lake,
            drops_root,
            staged.folder,
            _registry_row(old, new_id, left, now),
            _Copies(lake, drop.drop_id, new_id, without=unfit["example_id"]),
            step=step,
            latest=False,
        )
    mark_superseded(
        lake,
        drop.drop_id,
        new_id,
        reason=REASON,
        removed_rows=drop.rows,
        models=list(drop.models),
        now=now,
        erasure_id=erasure_id,
    )
    step("marked")
    settle_latest(lake, drops_root, drop.channel)


def clear(folder: Path, drop_id: str, new_id: str, erasure_id: str) -> None:
    """Replace a drop's files by a manifest that names the successor; nothing when that was done."""
    stub = {
        "drop_id": drop_id,
        "superseded_by": new_id,
        "reason": REASON,
        "erasure_id": erasure_id,
        "counts": {},
        "funnel": [],
    }
    if {path.name for path in folder.iterdir()} == {MANIFEST_FILE, SUMS_FILE} and not verify(folder):
        return
    # The provenance last: while it is there the drop is still found to be affected.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == PROVENANCE_FILE):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    write_manifest(folder, stub, {})


def sweep(lake: Lake, drops_root: Path) -> list[str]:
    """Delete what killed builds left: staged drops, scratch texts, and folders that were never registered.

    The caller holds the build lock. A build that was killed before it registered its drop may never be
    repeated: with later events it is another drop.
    """
    left = [path for pattern in (".staging-*", ".texts-*") for path in drops_root.glob(pattern)]
    known = set(lake.scan("drops").select("path").collect()["path"])
    left += [path.parent for path in drops_root.glob(f"*/{MANIFEST_FILE}") if _is_unknown(path.parent, known)]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    return sorted(path.name for path in left)


def _is_unknown(folder: Path, known: set[str]) -> bool:
    """Whether a folder is a drop that no registry row knows; other people's folders are left alone."""
    return folder.name not in known and read_manifest(folder).get("drop_id") == folder.name


def _counts(rows: pl.DataFrame) -> dict[str, int]:
    found = dict(rows.group_by("kind").len().iter_rows())
    return {kind: int(found.get(kind, 0)) for kind in ("preference", "unpaired")}


def _whole(rows: pl.DataFrame, lake: Lake, drop_id: str) -> pl.DataFrame:
    """Rows of a drop with the provenance that files of its layout did not carry yet, from the table."""
    examples = lake.scan("examples").filter(drop_id=drop_id)
    known = frame_schema("examples")
    lacking = [name for name in PROVENANCE_SCHEMA.names if name in known and name not in rows.columns]
    if not lacking:
        return rows
    more = examples.select("example_id", *lacking).collect()
    return rows.join(more, on="example_id", how="left", maintain_order="left")


def _content(
    old: Mapping[str, Any],
    new_id: str,
    left: pl.DataFrame,
    removed: pl.DataFrame,
    unfit: pl.DataFrame,
    erasure_id: str,
) -> dict[str, Any]:
    """The manifest of a successor: that of the drop, what changed, and why."""
    kept = {name: value for name, value in old.items() if name not in ("files", "format_version")}
    return {
        **kept,
        "drop_id": new_id,
        "supersedes": old["drop_id"],
        "counts": {**old["counts"], **_counts(left)},
        "kto": kto_weights(left),
        REASON: {
            "erasure_id": erasure_id,
            "removed": _counts(removed),
            "unfit": _counts(unfit),
            "note": "funnel, selection and cost are those of the drop it supersedes",
        },
    }


def _registry_row(old: Mapping[str, Any], new_id: str, left: pl.DataFrame, now: datetime) -> dict[str, Any]:
    counts = _counts(left)
    row = {**old, "drop_id": new_id, "published_at": now}
    # A scheduled night has one drop of its own making; this one was made by hand.
    # And it was made from the files of the old one: no recipe gives it.
    row.update({name: None for name in ("scheduled_for", "recipe") if name in row})
    return {**row, "preference_rows": counts["preference"], "unpaired_rows": counts["unpaired"]}


class _Copies(Mapping[str, pl.DataFrame]):
    """A drop's rows in the lake under its successor's id, one table in memory at a time; those of examples in
    `without` are left out."""

    def __init__(self, lake: Lake, drop_id: str, new_id: str, *, without: pl.Series) -> None:
        self._lake, self._old, self._new, self._without = lake, drop_id, new_id, without

    def __iter__(self) -> Iterator[str]:
        return iter(COPIED)

    def __len__(self) -> int:
        return len(COPIED)

    def __getitem__(self, name: str) -> pl.DataFrame:
        rows = self._lake.scan(name).filter(drop_id=self._old).with_columns(drop_id=pl.lit(self._new))
        gone = self._without.implode()
        if "example_id" in frame_schema(name):
            rows = rows.filter(~pl.col("example_id").is_in(gone))
        if name == "lineage":
            rows = rows.filter(~pl.col("source_id").is_in(gone), ~pl.col("target_id").is_in(gone))
            # Models were trained on the old drop, and on nothing else.
            rows = rows.filter(pl.col("target_kind") != "model")
            moved = (pl.col("target_kind") == "drop") & (pl.col("target_id") == self._old)
            rows = rows.with_columns(target_id=pl.when(moved).then(pl.lit(self._new)).otherwise("target_id"))
        return rows.select(list(frame_schema(name))).collect()


def inputs_of(row: Mapping[str, Any]) -> dict[str, int]:
    """Delta version of every table a drop was built from."""
    return msgspec.json.decode(row["inputs"], type=dict[str, int])
