"""Answers for auditors, from the lake alone: whose rows, what kind of rows, what became of them.

Each is one scan of `examples` with the columns it needs, so that a million examples are answered in seconds.
No answer holds text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl

from contracts.errors import TerminalError
from contracts.tables import frame_schema
from contracts.tables.persons import PERSONAL, IdKind, held_kinds
from sinks.drops.marks import in_force, of_published, with_predecessors
from sinks.lake import Lake
from sinks.models import trained_on
from sinks.push.copies import copies_of
from sinks.stores import StoreUnavailable
from sinks.tombstones import any_of

SHARES: Final = {
    "licence": "license",
    "source": "source_type",
    "synthetic": "synthetic",
    "fingerprint": "fingerprint",
    "judge": "judge_epoch",
}
"""What a drop can be broken down by → the column it is."""

_KINDS: Final[frozenset[IdKind]] = frozenset({"user", "session", "request"})
"""Ids by which rows are counted as a user's. An erasure looks further: into dead letters, files that no
version knows, and conversations of several people."""


@dataclass(frozen=True)
class RevokedRows:
    """Rows of published drops whose users have taken consent back since, as of a time.

    rows: `example_id, drop_id, user_key, consent_scope, revoked_at, policy_version`, one per row of a drop.
    drops: `drop_id, rows, users, share` of the drop. models: those trained on one of the drops (`models`).
    """

    as_of: datetime
    rows: pl.DataFrame
    drops: pl.DataFrame
    models: pl.DataFrame


def revoked(lake: Lake, as_of: datetime) -> RevokedRows:
    """Which rows of drops in force came from users who have revoked consent by `as_of`.

    A row counts when its user's latest change for its scope, at or before `as_of`, takes consent away. The
    user of a row is the one it names, else the only user its session is known by (as eligibility has it).
    """
    users = pl.col("user_key").is_not_null()
    changes = (
        lake.scan("consents")
        .filter(users, pl.col("occurred_at") <= as_of)
        .sort("occurred_at", "partition", "offset")
        .group_by("user_key", "scope")
        .agg(
            granted=pl.col("granted").last(),
            revoked_at=pl.col("occurred_at").last(),
            policy_version=pl.col("policy_version").last(),
        )
        .filter(~pl.col("granted"))
    )
    rows = (
        with_owner(lake, in_force(lake, lake.scan("examples")))
        .select("example_id", "drop_id", "owner", "consent_scope")
        .join(changes, left_on=["owner", "consent_scope"], right_on=["user_key", "scope"], how="inner")
        .rename({"owner": "user_key"})
        .drop("granted")
        .sort("drop_id", "example_id")
        .collect()
    )
    totals = lake.scan("examples").group_by("drop_id").agg(total=pl.len()).collect()
    drops = (
        rows.group_by("drop_id")
        .agg(rows=pl.len(), users=pl.col("user_key").n_unique())
        .join(totals, on="drop_id", how="left")
        .with_columns(share=pl.col("rows") / pl.col("total"))
        .drop("total")
        .sort("drop_id")
    )
    trained = trained_on(lake, with_predecessors(lake, drops["drop_id"].to_list()))
    return RevokedRows(as_of, rows, drops, trained)


def with_owner(lake: Lake, examples: pl.LazyFrame) -> pl.LazyFrame:
    """Add `owner`: the user a row names, else the only user its session is known by, else null."""
    nameless = examples.filter(pl.col("user_key").is_null()).select("session_id").unique()
    known = (
        _who_asked(lake)
        .filter(pl.col("user_key").is_not_null())
        .join(nameless, on="session_id", how="semi")
        .group_by("session_id")
        .agg(users=pl.col("user_key").unique())
        .filter(pl.col("users").list.len() == 1)
        .select("session_id", owner_of_session=pl.col("users").list.first())
    )
    return (
        examples.join(known, on="session_id", how="left")
        .with_columns(owner=pl.coalesce("user_key", "owner_of_session"))
        .drop("owner_of_session")
    )


def breakdown(lake: Lake, drop_id: str, by: str) -> pl.DataFrame:
    """Rows of a drop by licence, source, synthetic or not, fingerprint or judge epoch.

    Columns `value` (text, null where rows do not say), `rows`, `share` (0 to 1), `users` (distinct); most
    rows first.
    """
    synthetic = (
        pl.when(pl.col("source_type") == "synthetic").then(pl.lit("synthetic")).otherwise(pl.lit("natural"))
    )
    rows = lake.scan("examples").filter(pl.col("drop_id") == drop_id).with_columns(synthetic=synthetic)
    counted = (
        rows.group_by(value=pl.col(SHARES[by]))
        .agg(rows=pl.len(), users=pl.col("user_key").drop_nulls().n_unique())
        .collect()
    )
    total = max(int(counted["rows"].sum()), 1)
    return counted.select("value", "rows", (pl.col("rows") / total).alias("share"), "users").sort(
        "rows", "value", descending=[True, False], nulls_last=True
    )


def example(lake: Lake, example_id: str) -> dict[str, Any]:
    """All that is known of an example: rows, lineage, verdicts, consent of its user, refusals elsewhere.

    `rows` (one per drop that holds it), `lineage` (edges into and out of it), `models`, `verdicts`
    (without texts), `consents` (changes of its user, oldest first), `quarantined` (refusals of its requests).
    Raises `TerminalError` when no drop holds it.
    """
    mine = with_owner(
        lake, of_published(lake, lake.scan("examples").filter(pl.col("example_id") == example_id))
    )
    rows = mine.sort("consent_as_of").collect()
    if rows.is_empty():
        raise TerminalError(
            f"no published drop holds an example {example_id}",
            hint="Ids are in provenance.parquet of a drop; `tailrace why REQUEST_ID` starts from a request.",
        )
    requests = rows["request_ids"].explode().unique().to_list()
    drops = rows["drop_id"].to_list()
    edges = lake.scan("lineage").filter(
        ((pl.col("source_id") == example_id) | (pl.col("target_id") == example_id))
        | ((pl.col("target_kind") == "model") & pl.col("source_id").is_in(drops))
    )
    verdicts = (
        lake.scan("judgments")
        .filter(pl.col("request_id").is_in(requests))
        .drop("rationale", "improved_response", "date")
        .sort("judged_at")
    )
    changes = (
        lake.scan("consents")
        .filter(pl.col("user_key").is_in(rows["owner"].drop_nulls().unique().to_list()))
        .select("user_key", "scope", "granted", "policy_version", "occurred_at")
        .sort("occurred_at")
    )
    refused = (
        lake.scan("quarantine")
        .filter(pl.col("request_ids").list.set_intersection(requests).list.len() > 0)
        .select("drop_id", "stage", "reason", "kind", "request_ids", "quarantine_id", "refused_at")
        .sort("refused_at", "quarantine_id")
    )
    frames = pl.collect_all([edges, verdicts, changes, refused])
    names = ("lineage", "verdicts", "consents", "quarantined")
    return {
        "example_id": example_id,
        "rows": rows.drop("owner").to_dicts(),
        **{name: frame.to_dicts() for name, frame in zip(names, frames, strict=True)},
        "models": trained_on(lake, with_predecessors(lake, drops)).to_dicts(),
    }


def user(lake: Lake, user_key: str) -> dict[str, Any]:
    """What the lake holds of a user, by pseudonym: rows per table, drops, models, consent, erasures.

    `tables` (table → rows that name the user, one of the user's requests or a conversation of the user alone;
    None where its store may not be read), `drops` (`drop_id`, `rows`), `models`, `consents` (changes, oldest
    first), `erasures`; `copies` outside (`sinks.push.copies`) of those drops, of drops they stand in for, and
    of drops that held the user before an erasure. A user nobody knows has no rows anywhere.
    """
    owned = with_owner(lake, in_force(lake, lake.scan("examples"))).filter(pl.col("owner") == user_key)
    drops = owned.group_by("drop_id").agg(rows=pl.len()).sort("drop_id").collect()
    changes = (
        lake.scan("consents")
        .filter(pl.col("user_key") == user_key)
        .select("scope", "granted", "policy_version", "occurred_at")
        .sort("occurred_at")
        .collect()
    )
    erased = lake.scan("erasures").filter(pl.col("user_key") == user_key).collect()
    seen = with_predecessors(lake, drops["drop_id"].to_list())
    was_in = erased["affected_drops"].explode().drop_nulls().unique().to_list()
    return {
        "user_key": user_key,
        "tables": _rows_by_table(lake, user_key),
        "drops": drops.to_dicts(),
        "copies": copies_of(lake, sorted({*seen, *with_predecessors(lake, was_in)})),
        "models": trained_on(lake, seen).to_dicts(),
        "consents": changes.to_dicts(),
        "erasures": erased.drop("certificate").to_dicts(),
    }


def _who_asked(lake: Lake) -> pl.LazyFrame:
    """Requests with session and user; those that were joined, for an auditor without a right to texts."""
    try:
        return lake.scan("requests")
    except StoreUnavailable:
        return lake.scan("interactions")


def _rows_by_table(lake: Lake, user_key: str) -> dict[str, int | None]:
    ids = _ids_of(lake, user_key)
    kinds = {name: held_kinds(name) & _KINDS for name in PERSONAL}
    return {name: _rows_of(lake, name, ids) for name, known in kinds.items() if known}


def _ids_of(lake: Lake, user_key: str) -> dict[IdKind, pl.Series]:
    """The user's requests, and the conversations in which nobody else is known to have asked."""
    asked = _who_asked(lake).select("request_id", "session_id", "user_key")
    mine = asked.filter(pl.col("user_key") == user_key).select("session_id").unique()
    there = asked.join(mine, on="session_id", how="semi").unique().collect()
    others = there.filter(pl.col("user_key") != user_key)["session_id"].unique()
    alone = ~pl.col("session_id").is_in(others.implode())
    theirs = there.filter((pl.col("user_key") == user_key) | (pl.col("user_key").is_null() & alone))
    return {
        "user": pl.Series([user_key], dtype=pl.String),
        "request": theirs["request_id"].unique(),
        "session": there.filter(alone)["session_id"].unique(),
    }


def _rows_of(lake: Lake, name: str, ids: Mapping[IdKind, pl.Series]) -> int | None:
    try:
        if not lake.exists(name):
            return 0
        rows = lake.scan(name)
    except StoreUnavailable:
        return None
    schema = frame_schema(name)
    held = [
        any_of(column, schema[column], ids[kind])
        for column, kinds in PERSONAL[name].rows.items()
        for kind in kinds
        if kind in ids
    ]
    return int(rows.filter(pl.any_horizontal(held)).select(pl.len()).collect().item())
