"""What an erasure remembers between its steps: the lake says how far it is, a work file what to look for.

After the rows are gone nobody could tell any more whose ids to look for in the files that remain. So the ids
lie in a file of the home folder, readable by its owner only, from before the first deletion until absence is
proven.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from contracts.errors import LakeNotWritable
from contracts.tables import frame_schema
from sinks.drops.manifest import stable_hash
from sinks.lake import Lake
from sinks.transactions import append_once

FOLDER: Final = "erasures"


class Work(msgspec.Struct, kw_only=True):
    """An erasure under way. The raw user id is not in it.

    ids: kind → ids; loose: see `Person`. pieces: telling pieces of the person's texts. common: ids that other
    people's texts hold too. tables: table → rows before, removed and altered. intended: the same, of a
    commit that may have been made when the process died. files: table → files removed from its history.
    drops: superseded drop → successor, rows, models. round: tells the rows of one erasure in `erasures` from
    those of an earlier one of the same person.
    """

    erasure_id: str
    requested_us: int
    round: int = 1
    ids: dict[str, list[str]] = msgspec.field(default_factory=dict)
    loose: list[str] = msgspec.field(default_factory=list)
    texts: int = 0
    pieces: list[str] = msgspec.field(default_factory=list)
    common: list[str] = msgspec.field(default_factory=list)
    tables: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    intended: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    files: dict[str, list[str]] = msgspec.field(default_factory=dict)
    logs: dict[str, int] = msgspec.field(default_factory=dict)
    drops: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    unbuildable: list[str] = msgspec.field(default_factory=list)
    other_files: list[str] = msgspec.field(default_factory=list)
    replaced_us: int = 0

    @property
    def models(self) -> list[str]:
        """Models trained on the drops."""
        return sorted({model for drop in self.drops.values() for model in drop["models"]})


def erasure_id(lake: Lake, user_key: str) -> str:
    """Id of the erasure of a person: one per person, however often it is asked for, and whatever the key
    of the pseudonyms was when it first was."""
    if lake.exists("erasures"):
        known = lake.scan("erasures").filter(user_key=user_key).select("erasure_id").unique().collect()
        if known.height:
            return str(known["erasure_id"].sort()[0])
    return f"erasure-{stable_hash(['erasure', user_key])[:16]}"


def work_path(home: Path, identifier: str) -> Path:
    """Where the work file of an erasure lies."""
    return home / FOLDER / f"{identifier}.work.json"


def certificate_path(home: Path, identifier: str) -> Path:
    """Where the certificate of an erasure lies."""
    return home / FOLDER / f"{identifier}.json"


def load_work(home: Path, identifier: str) -> Work | None:
    """The work file, when there is one that was written to its end."""
    try:
        return msgspec.json.decode(work_path(home, identifier).read_bytes(), type=Work)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def sweep_unwritten(home: Path, identifier: str) -> None:
    """Delete what a killed run of an erasure wrote of its files, and had not put into place.

    It holds the ids that the proof looks for. The caller holds the build lock, so nobody else writes them.
    """
    for path in (home / FOLDER).glob(f".{identifier}.*"):
        path.unlink(missing_ok=True)


def save(path: Path, value: Any, *, mode: int = 0o600) -> None:
    """Write a JSON file in one step. Raises `LakeNotWritable`."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise LakeNotWritable(
            f"{path.parent} cannot be written: {error.strerror}",
            hint="Choose another --home or correct its permissions.",
        ) from None


def record(
    lake: Lake,
    work: Work,
    user_key: str,
    state: str,
    *,
    now_us: int,
    variant: str = "",
    certificate: Mapping[str, Any] | None = None,
) -> None:
    """Note in the lake that a state was reached; once per round and variant, however often it is called."""
    moment = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    row = {
        "erasure_id": work.erasure_id,
        "user_key": user_key,
        "requested_at": datetime.fromtimestamp(work.requested_us / 1_000_000, UTC),
        "completed_at": moment if state == "proven" else None,
        "affected_drops": sorted(work.drops),
        "affected_models": work.models,
        "certificate": msgspec.json.encode(dict(certificate or {})).decode(),
        "state": state,
        "recorded_at": moment,
    }
    frame = pl.DataFrame([row], schema=frame_schema("erasures"))
    append_once(lake, "erasures", frame, batch_id=f"{work.erasure_id}/{work.round}/{state}/{variant}")


def remember_ids(lake: Lake, identifier: str, hashed: Mapping[str, Sequence[str]]) -> int:
    """Add keyed hashes (kind → hashes) to the tombstones, each once; returns how many were new."""
    known = lake.scan("erased_ids").filter(erasure_id=identifier).select("id_kind", "id_hash").collect()
    rows = pl.DataFrame(
        [(identifier, kind, value) for kind, values in hashed.items() for value in sorted(set(values))],
        schema=frame_schema("erased_ids"),
        orient="row",
    ).join(known, on=["id_kind", "id_hash"], how="anti")
    batch = f"{identifier}/{stable_hash(sorted(rows['id_hash']))[:16]}"
    return append_once(lake, "erased_ids", rows, batch_id=batch)
