"""What a revocation does to rows no drop holds yet: they go to the quarantine, with the reason.

The build refuses such rows in any case (`curation.eligibility`); this says so at once, and keeps it on
record. A row is written once per request and scope: granting again leaves it as history, and whether the
request is eligible then is for eligibility alone to say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import msgspec
import polars as pl

from contracts.tables import frame_schema
from curation.eligibility import OWNER, with_owner
from curation.steps import quarantine_id
from sinks.lake import Lake
from sinks.quarantine import CONSENT_STAGE, PENDING, add

REASON: Final = "revoked"


@dataclass(frozen=True, slots=True)
class Revocation:
    """A user, by pseudonym, no longer allows `scope`."""

    user_key: str
    scope: str
    policy_version: str | None
    revoked_at: datetime


def revocations_in(changes: pl.DataFrame) -> list[Revocation]:
    """Users whose latest change of a scope took it back. `changes`: `user_key, scope, granted,
    policy_version, occurred_at`."""
    latest = changes.sort("occurred_at").unique(["user_key", "scope"], keep="last", maintain_order=True)
    return [
        Revocation(row["user_key"], row["scope"], row["policy_version"], row["occurred_at"])
        for row in latest.filter(~pl.col("granted")).iter_rows(named=True)
    ]


def quarantine_pending(
    lake: Lake, revocations: Sequence[Revocation], *, since: date, threshold: float, now: datetime
) -> int:
    """Quarantine what these users have waiting; returns how many rows are new.

    Pending is a failure (score at or above `threshold`) of a request made on `since` or later (the scan
    reads those days only) that is in no published drop. Safe to repeat. Raises `LakeUnavailable`.
    """
    lake.pseudonyms.check(lake.table("interactions"))
    users = {lake.pseudonyms.raised(revocation.user_key) for revocation in revocations}
    return quarantine_revoked(
        lake, pending(lake, users, since=since, threshold=threshold), revocations, now=now
    )


def pending(lake: Lake, users: Collection[str], *, since: date, threshold: float) -> pl.DataFrame:
    """Failures of these users that no published drop holds: `request_id`, `owner_key`, `date`.

    Whose a request is that names no user, its session says, as everywhere (`with_owner`).
    """
    recent = lake.scan("interactions").filter(pl.col("date") >= since)
    mine = pl.col("user_key").is_in(list(users))
    sessions = recent.filter(mine).select("session_id").unique().collect()["session_id"]
    if sessions.is_empty():
        return pl.DataFrame(schema={"request_id": pl.String, OWNER: pl.String, "date": pl.Date})
    columns = ["request_id", "session_id", "user_key", "date", "failure_score"]
    current = (
        recent.filter(pl.col("session_id").is_in(sessions.implode()))
        .select(*columns, "revision", "partition", "offset")
        .sort("request_id", "revision", "partition", "offset", descending=[False, True, False, False])
        .unique("request_id", keep="first", maintain_order=True)
        .collect()
    )
    failures = with_owner(current).filter(
        pl.col(OWNER).is_in(list(users)), pl.col("failure_score") >= threshold
    )
    return failures.select("request_id", OWNER, "date").join(
        _published(lake, users, since), on="request_id", how="anti", maintain_order="left"
    )


def quarantine_revoked(
    lake: Lake, rows: pl.DataFrame, revocations: Sequence[Revocation], *, now: datetime
) -> int:
    """Quarantine requests (`request_id`, `owner_key`, `date`) of users who revoked; how many are new."""
    if rows.is_empty():
        return 0
    latest = {
        lake.pseudonyms.raised(revocation.user_key): revocation
        for revocation in sorted(revocations, key=lambda r: r.revoked_at)
    }
    records = [
        _record(request, day, latest[owner], now)
        for request, owner, day in rows.select("request_id", OWNER, "date").iter_rows()
        if owner in latest
    ]
    return add(lake, pl.DataFrame(records, schema=frame_schema("quarantine")))


def _record(request: str, day: date, revocation: Revocation, now: datetime) -> dict[str, object]:
    evidence = {
        "scope": revocation.scope,
        "policy_version": revocation.policy_version,
        "revoked_at": revocation.revoked_at,
    }
    return {
        "drop_id": PENDING,
        "stage": CONSENT_STAGE,
        "reason": REASON,
        "kind": "interaction",
        "pair_source": None,
        "request_ids": [request],
        "detail": f"consent for {revocation.scope} was revoked",
        "quarantine_id": quarantine_id(CONSENT_STAGE, REASON, [request], revocation.scope),
        "evidence": msgspec.json.encode(evidence).decode(),
        "date": day,
        "refused_at": now,
    }


def _published(lake: Lake, users: Collection[str], since: date) -> pl.DataFrame:
    """Requests of these users behind rows of published drops (`request_id`)."""
    drops = lake.scan("drops").select("drop_id")
    return (
        lake.scan("examples")
        .filter(pl.col("date") >= since, pl.col("user_key").is_in(list(users)))
        .join(drops, on="drop_id", how="semi")
        .select(request_id=pl.col("request_ids").explode())
        .unique()
        .collect()
    )
