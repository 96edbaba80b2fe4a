"""Registries: what was published, trained, erased, and how things hang together."""

from __future__ import annotations

import polars as pl

from contracts.tables.base import Strings, Table, Time, column, optional

ERASURE_STATES = ["requested", "tables", "drops", "vacuum", "proven"]
HOLD_KINDS = ["user", "drop", "table"]


class Drops(Table):
    """Published drops; a drop without a row here was never published."""

    drop_id: str = column("id of the drop")
    channel: str = column("channel it was published on")
    as_of: Time = column("time the drop's inputs were read as of")
    published_at: Time = column("clock time of publication")
    path: str = column("folder name under the drops root")
    manifest_sha256: str = column("SHA-256 of manifest.json")
    inputs: str = column("Delta version of every input table, JSON object")
    config_hash: str = column("hash of the curation settings")
    code_version: str = column("version of Tailrace")
    judge_epoch: str = column("judge epoch used")
    judge: str = column("judge as named to people")
    preference_rows: pl.Int64 = column("preference pairs", ge=0)
    unpaired_rows: pl.Int64 = column("unpaired rows", ge=0)
    quarantined_rows: pl.Int64 = column("rows refused by a gate", ge=0)
    step_seconds: str = optional("time each step of the build took, seconds by step, JSON object")
    scheduled_for: Time = optional("scheduled moment it was built for; null when built by hand")
    to_announce: bool = optional("whether workers announce it; null in rows of older releases: they do not")
    sequence: pl.Int64 = optional(
        "place in the chain of the registry, from 1; null before there was one", ge=1
    )
    previous_sha256: str = optional("`row_sha256` of the row before; empty in the first")
    row_sha256: str = optional("SHA-256 of this row and `previous_sha256`, see sinks.drops.chain")
    recipe: str = optional(
        "what the drop was built from, JSON, see sinks.drops.recipe; null before there was one"
    )


class DropMarks(Table):
    """What became of published drops; the registry itself is only appended to."""

    drop_id: str = column("the drop")
    mark: str = column("superseded: another drop stands in for it", isin=["superseded"])
    reason: str = column("why: erasure")
    successor_id: str = column("drop that stands in for it")
    erasure_id: str = optional("erasure it was marked by")
    removed_rows: pl.Int64 = column("rows that the successor lacks", ge=0)
    models: Strings = column("models that had been trained on it")
    marked_at: Time = column("clock time of the mark")


class Pushes(Table):
    """Copies of drops outside the lake: an erasure cannot delete them, and names them."""

    drop_id: str = column("the drop")
    destination: str = column("folder, URL of a store's prefix, or repository; without credentials or query")
    branch: str = optional("branch of the repository that was asked for")
    state: str = column("begun: some files may be there; complete: all are", isin=["begun", "complete"])
    commit_id: str = optional("commit of the repository that holds it")
    files: pl.Int64 = column("files of the drop", ge=0)
    bytes: pl.Int64 = column("size of all files", ge=0)
    manifest_sha256: str = column("SHA-256 of its manifest.json")
    pushed_at: Time = column("clock time of the row")


class Announcements(Table):
    """What was announced on `tailrace.drops`, a row per message the broker has."""

    notice: str = column(
        "published, or superseded: another drop stands in for it", isin=["published", "superseded"]
    )
    drop_id: str = column("the drop that was announced")
    announced_at: Time = column("clock time after the broker's acknowledgement")


class NightlyRuns(Table):
    """What became of scheduled builds: one row per claim, heartbeat and end of an attempt."""

    night: Time = column("scheduled moment")
    channel: str = column("channel the drop is published on")
    attempt: pl.Int32 = column("number of the attempt, from 1; 0 for what belongs to none", ge=0)
    state: str = column(
        "scheduled (in force from now on), claimed, running (a heartbeat), published, unchanged or failed",
        isin=["scheduled", "claimed", "running", "published", "unchanged", "failed"],
    )
    final: bool = column("whether the night is over with this row")
    worker: str = column("worker that wrote it")
    at: Time = column("clock time of the row")
    drop_id: str = optional("drop that came of it")
    detail: str = optional("why it failed, or why nothing was published")


class Models(Table):
    """Models trained on drops."""

    model_id: str = column("id of the trained model")
    base_model: str = column("base model")
    adapter: str = optional("adapter name")
    checkpoint_uri: str = optional("where the weights are")
    drop_ids: Strings = column("drops it was trained on")
    registered_at: Time = column("when it was registered")


class Erasures(Table):
    """Erasures, one row per state reached; the keyed hash blocks the person from being ingested again."""

    erasure_id: str = column("id of the erasure")
    user_key: str = column("pseudonym of the erased person")
    requested_at: Time = column("when it was asked for")
    completed_at: Time = optional("when absence was proven")
    affected_drops: Strings = column("drops that held rows of the person")
    affected_models: Strings = column("models trained on those drops")
    certificate: str = column("counts per table and scan result, JSON; an object without fields until proven")
    state: str = optional("how far it is; null in rows of older releases: proven", isin=ERASURE_STATES)
    recorded_at: Time = optional("clock time at which that state was reached")


class ErasedIds(Table):
    """Keyed hashes of ids of erased people: events that name no user are kept out by them."""

    erasure_id: str = column("erasure they belong to")
    id_kind: str = column("what was hashed", isin=["session", "request", "event"])
    id_hash: str = column("keyed hash of the id, 128 bits, hex")


class LegalHolds(Table):
    """Rows that may not be deleted for now, whoever asks; a hold ends with a row that releases it."""

    hold_id: str = column("id of the hold")
    released: bool = column("whether this row ends the hold; else it begins it")
    held: str = column("what is held", isin=HOLD_KINDS)
    user_key: str = optional("pseudonym of the person held")
    drop_id: str = optional("drop held: its rows and the requests behind them")
    table_name: str = optional("table held, whole")
    reason: str = column("why, in the words of who placed or released it")
    recorded_at: Time = column("clock time")


class Lineage(Table):
    """Edges request → example → drop → model."""

    source_kind: str = column("request, example or drop")
    source_id: str = column("id of the source")
    target_kind: str = column("example, drop or model")
    target_id: str = column("id of the target")
    drop_id: str = column("drop in which the edge was made")
    recorded_at: Time = column("as-of time of the edge")
