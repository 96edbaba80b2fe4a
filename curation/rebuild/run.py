"""Building a published drop again in a folder of its own, and comparing every byte."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contracts.errors import DropInvalid, LakeNotWritable
from contracts.settings import Settings
from curation.buckets import scratch
from curation.build import build
from curation.engine import Engine, LocalEngine
from curation.nightly import drop_identity, manifest_content
from curation.rebuild.origin import Published, State, look_at
from curation.rebuild.plan import Plan, plan
from curation.sources import Progress, Workplace, silent
from sinks.drops.diff import Change, changes
from sinks.drops.lock import exclusive
from sinks.drops.manifest import MANIFEST_FILE, sha256
from sinks.drops.recipe import plain
from sinks.drops.staging import stage
from sinks.lake import Lake

FileState = Literal["same", "differs", "missing", "extra", "unknown"]


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """A file of a drop: `registered` and `rebuilt` SHA-256. missing: only registered; extra: only rebuilt;
    unknown: what was registered is not known, because the manifest is gone."""

    name: str
    state: FileState
    registered: str | None
    rebuilt: str | None


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What a rebuild came to.

    identical: the manifest, and with it the hash of every file, is the registered one. identity: parts of the
    drop's identity that came out otherwise. published: state of the published folder, with its damage.
    """

    drop_id: str
    folder: Path
    identical: bool
    registered_sha256: str
    rebuilt_sha256: str
    files: list[FileResult]
    identity: list[Change]
    published: State
    damage: tuple[str, ...]
    notes: tuple[str, ...]


def rebuild(
    lake: Lake,
    settings: Settings,
    row: Mapping[str, Any],
    out: Path,
    *,
    sums: Path | None = None,
    other_code: bool = False,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Rebuilt:
    """Build a drop again and compare it with what was registered. row: its row of the registry.

    Nothing is written but `out`, beside which the work lies meanwhile; no judge is asked. Raises
    `NotRebuildable` when something of it is gone, before any work where that can be seen, `DropInvalid` when
    `out` must not be written.
    """
    _refuse_place(out, settings)
    published = look_at(settings.drops_root / row["path"], row["manifest_sha256"], sums)
    found = plan(lake, settings, row, published, other_code=other_code)
    drop_id = str(row["drop_id"])
    with _workshop(out) as work:
        with scratch(work) as folder:
            place = Workplace(folder, engine or LocalEngine(), time.perf_counter, progress)
            built = build(
                found.sources, found.settings, found.bench, place, power=found.power, memory=found.replay
            )
        about = _identity(found)
        content = manifest_content(about, built, drop_id, found.recipe.fitted_on)
        staged = stage(work, drop_id, built.rows, content)
        _move(staged.folder, out)
    return _compared(row, out, staged.manifest, published, found, about)


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """A folder beside `out` that goes with the work; one process at a time."""
    work = out.with_name(f".rebuilding-{out.name}")
    with exclusive(work):
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _identity(found: Plan) -> dict[str, Any]:
    return drop_identity(
        found.settings,
        found.recipe.about["score_version"],
        found.bench,
        found.sources,
        found.power,
        # That another release built it is known by now; whether it built the same is what the bytes tell.
        code_version=found.recipe.about["code_version"],
    )


def _refuse_place(out: Path, settings: Settings) -> None:
    place = out.resolve()
    for root in (settings.drops_root.resolve(), Path(settings.lake_root).resolve()):
        if root in (place, *place.parents) or place in root.parents:
            raise DropInvalid(
                "a rebuild is not written among the published drops or into the lake",
                hint="Give another folder with --out.",
            )
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / MANIFEST_FILE).is_file())):
        raise DropInvalid(
            f"{out} is there and is no drop", hint="Give a folder that does not exist yet with --out."
        )


def _move(staged: Path, out: Path) -> None:
    try:
        if out.exists():
            shutil.rmtree(out)
        staged.rename(out)
    except OSError as error:
        raise LakeNotWritable(
            f"{out} cannot be written: {error.strerror}", hint="Give another folder with --out."
        ) from None


def _compared(
    row: Mapping[str, Any],
    out: Path,
    manifest: Mapping[str, Any],
    published: Published,
    found: Plan,
    about: Mapping[str, Any],
) -> Rebuilt:
    rebuilt = {name: str(entry["sha256"]) for name, entry in manifest["files"].items()}
    rebuilt[MANIFEST_FILE] = sha256(out / MANIFEST_FILE)
    registered = {**published.sums, MANIFEST_FILE: str(row["manifest_sha256"])}
    if rebuilt[MANIFEST_FILE] == row["manifest_sha256"]:
        # The manifest names every file's hash, so this one stands for all.
        registered = dict(rebuilt)
    return Rebuilt(
        drop_id=str(row["drop_id"]),
        folder=out,
        identical=rebuilt == registered,
        registered_sha256=str(row["manifest_sha256"]),
        rebuilt_sha256=rebuilt[MANIFEST_FILE],
        files=[
            _file(name, registered.get(name), rebuilt.get(name), known=bool(published.sums))
            for name in sorted({*registered, *rebuilt})
        ],
        identity=changes(found.recipe.about, plain(about)),
        published=published.state,
        damage=published.damage,
        notes=found.notes,
    )


def _file(name: str, registered: str | None, rebuilt: str | None, *, known: bool) -> FileResult:
    state: FileState = "same" if registered == rebuilt else "differs"
    if rebuilt is None:
        state = "missing"
    elif registered is None:
        state = "extra" if known else "unknown"
    return FileResult(name=name, state=state, registered=registered, rebuilt=rebuilt)
