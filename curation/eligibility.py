"""Eligibility: who and what may be learned from at all."""

from __future__ import annotations

import polars as pl

from contracts.settings import CurationSettings
from curation.steps import StepResult, gate


def eligible(rows: pl.DataFrame, consents: pl.DataFrame, settings: CurationSettings) -> StepResult:
    """Refuse candidates whose actor, split, consent, licence, region or text rules them out.

    Consent for `settings.purpose` is needed twice: when the request was made (as the application
    recorded it, else by the consent events up to then) and at build time (no revocation since).
    `consents` holds changes up to the build's as-of time.
    """
    rows = with_consent(rows, consents, settings.purpose)
    unknown = pl.lit(settings.unknown_consent == "refuse")
    reasons = [
        ("actor", pl.col("actor") != "user"),
        ("held_out", pl.col("split") != "train"),
        ("consent_denied", ~pl.col("consent_at_event")),
        ("consent_revoked", ~pl.col("consent_now")),
        ("consent_unknown", pl.col("consent_at_event").is_null() & unknown),
        ("license", _not_listed("license", settings.licenses)),
        ("region", _not_listed("region", settings.regions)),
        ("metadata_only", ~pl.col("has_text")),
    ]
    return gate("eligible", rows, reasons, details={"actor": pl.col("actor")})


def _not_listed(column: str, allowed: list[str] | None) -> pl.Expr:
    """Rows that name a value outside the allow-list."""
    return pl.lit(value=False) if allowed is None else ~pl.col(column).is_in(allowed)


def with_consent(rows: pl.DataFrame, consents: pl.DataFrame, purpose: str) -> pl.DataFrame:
    """Add `consent_at_event` and `consent_now` (booleans, null: unknown) and `consent_policy`."""
    changes = consents.filter((pl.col("scope") == purpose) & pl.col("user_key").is_not_null()).sort(
        "occurred_at"
    )
    at_event = (
        rows.filter(pl.col("user_key").is_not_null())
        .select("request_id", "user_key", "occurred_at")
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
        .join(now, on="user_key", how="left")
        .with_columns(
            consent_at_event=recorded.fill_null(pl.col("event_granted")),
            # Without any consent event, what held at the request still holds.
            consent_now=pl.coalesce("now_granted", recorded),
            consent_policy=pl.coalesce("now_policy", "consent_policy_version", "event_policy"),
        )
        .drop("event_granted", "event_policy", "now_granted", "now_policy")
    )
