"""Eligibility: who and what may be learned from at all."""

from __future__ import annotations

from typing import Final

import polars as pl

from contracts.settings import CurationSettings
from curation.steps import StepResult, gate


def eligible(rows: pl.DataFrame, consents: pl.DataFrame, settings: CurationSettings) -> StepResult:
    """Refuse candidates whose actor, split, consent, licence, region or text rules them out.

    Consent for `settings.purpose` is needed twice: when the request was made (as the application
    recorded it, else by the consent events up to then) and at build time (no revocation since).
    Whose consent is asked is known by session too (`with_owner`). `consents` holds changes up to the
    build's as-of time. `rows` are all current interactions: a conversation is held out as a whole.
    """
    rows = with_consent(with_owner(rows), consents, settings.purpose)
    unknown = pl.lit(settings.unknown_consent == "refuse")
    reasons = [
        ("actor", ~pl.col("actor").is_in(settings.actors)),
        ("held_out", held_out()),
        ("consent_denied", ~pl.col("consent_at_event")),
        ("consent_revoked", ~pl.col("consent_now")),
        ("consent_unknown", pl.col("consent_at_event").is_null() & unknown),
        *_allowed("license", settings.licenses, settings.unknown_license),
        *_allowed("region", settings.regions, settings.unknown_region),
        ("metadata_only", ~pl.col("has_text").fill_null(value=False)),
    ]
    result = gate("eligible", rows, reasons, details={"actor": pl.col("actor")})
    return StepResult(result.name, result.kept.drop(OWNER), result.refused, result.rows_in)


def held_out() -> pl.Expr:
    """Rows of sessions in which any row is held out.

    The split is decided at ingest, event by event, by the user or, where the event names none, by the
    session. A session whose user appears midway has both kinds of rows; it must not have both splits.
    """
    return (pl.col("split") != "train").fill_null(value=True).any().over("session_id")


def with_owner(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the user whose consent a row needs: its own, else the only user of its session."""
    users = pl.col("user_key").drop_nulls().unique()
    only = pl.when(users.len() == 1).then(users.first()).over("session_id")
    return rows.with_columns(pl.coalesce("user_key", only).alias(OWNER))


OWNER: Final = "owner_key"
"""Column of the user whose consent a row needs."""


def _allowed(column: str, allowed: list[str] | None, unknown: str) -> list[tuple[str, pl.Expr]]:
    """The reasons of an allow-list: a value outside it, and no value where that is refused."""
    if allowed is None:
        return []
    reasons = [(column, ~pl.col(column).is_in(allowed))]
    if unknown == "refuse":
        reasons.append((f"{column}_unknown", pl.col(column).is_null()))
    return reasons


def with_consent(rows: pl.DataFrame, consents: pl.DataFrame, purpose: str) -> pl.DataFrame:
    """Add `consent_at_event` and `consent_now` (booleans, null: unknown) and `consent_policy`.

    `rows` as `with_owner` returns them.
    """
    changes = consents.filter((pl.col("scope") == purpose) & pl.col("user_key").is_not_null()).sort(
        "occurred_at"
    )
    at_event = (
        rows.filter(pl.col(OWNER).is_not_null())
        .select("request_id", "occurred_at", user_key=OWNER)
        .sort("occurred_at")
        .join_asof(
            changes.select("user_key", "occurred_at", event_granted="granted", event_policy="policy_version"),
            on="occurred_at",
            by="user_key",
            strategy="backward",
            check_sortedness=False,
        )
        .select("request_id", "event_granted", "event_policy")
    )
    now = changes.unique("user_key", keep="last", maintain_order=True).select(
        "user_key", now_granted="granted", now_policy="policy_version"
    )
    recorded = pl.col("consent_scopes").list.contains(purpose)
    return (
        rows.join(at_event, on="request_id", how="left")
        .join(now, left_on=OWNER, right_on="user_key", how="left")
        .with_columns(
            consent_at_event=recorded.fill_null(pl.col("event_granted")),
            # Without any consent event, what held at the request still holds.
            consent_now=pl.coalesce("now_granted", recorded),
            consent_policy=pl.coalesce("now_policy", "consent_policy_version", "event_policy"),
        )
        .drop("event_granted", "event_policy", "now_granted", "now_policy")
    )
