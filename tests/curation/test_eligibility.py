"""Who and what may be learned from: consent, actors, lists, and a split nobody straddles."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.settings import CurationSettings
from curation.eligibility import eligible
from streams.identity import Identity
from tests.factories import START, table_rows

IDENTITY = Identity(b"split", held_out_share=0.3)
NO_CONSENTS = table_rows("consents", [])


def rows(*given: dict[str, Any]) -> pl.DataFrame:
    """Candidates that every gate lets through, but for what is given."""
    defaults = {
        "session_id": "s",
        "user_key": "u",
        "actor": "user",
        "split": "train",
        "license": "MIT",
        "region": "eu",
        "occurred_at": START,
        "date": START.date(),
        "consent_scopes": ["training"],
        "consent_policy_version": "1",
        "has_text": True,
    }
    full = [{"request_id": f"r{n}", **defaults, **one} for n, one in enumerate(given)]
    return pl.DataFrame(
        full,
        schema_overrides={
            "consent_scopes": pl.List(pl.String),
            "user_key": pl.String,
            "license": pl.String,
            "region": pl.String,
            "consent_policy_version": pl.String,
            "occurred_at": pl.Datetime("us", "UTC"),
        },
    )


def consents(*changes: tuple[str, bool, datetime]) -> pl.DataFrame:
    return table_rows(
        "consents",
        [
            {"event_id": f"c{n}", "user_key": u, "scope": "training", "granted": g, "occurred_at": at}
            for n, (u, g, at) in enumerate(changes)
        ],
    )


def verdicts(frame: pl.DataFrame, changes: pl.DataFrame = NO_CONSENTS, **options: Any) -> dict[str, str]:
    """Request → reason, `ok` when it goes on."""
    result = eligible(frame, changes, CurationSettings(**options))
    refused = {ids[0]: reason for ids, reason in result.refused.select("request_ids", "reason").iter_rows()}
    assert len(refused) + result.kept.height == frame.height
    return refused | dict.fromkeys(result.kept["request_id"], "ok")


LATER = START + timedelta(hours=1)
EARLIER = START - timedelta(hours=1)


@pytest.mark.parametrize(
    ("scopes", "changes", "unknown", "reason"),
    [
        (["training"], [], "refuse", "ok"),
        (["analytics"], [], "refuse", "consent_denied"),
        ([], [], "refuse", "consent_denied"),
        (None, [], "refuse", "consent_unknown"),
        (None, [], "allow", "ok"),
        (None, [("u", True, EARLIER)], "refuse", "ok"),
        (None, [("u", True, LATER)], "refuse", "consent_unknown"),
        (None, [("u", False, EARLIER), ("u", True, LATER)], "refuse", "consent_denied"),
        (["training"], [("u", False, LATER)], "refuse", "consent_revoked"),
        (["training"], [("u", False, LATER)], "allow", "consent_revoked"),
        (["training"], [("other", False, LATER)], "refuse", "ok"),
        (None, [("u", False, LATER)], "allow", "consent_revoked"),
    ],
)
def test_consent_is_needed_at_event_time_and_at_build_time(
    scopes: list[str] | None, changes: list[tuple[str, bool, datetime]], unknown: str, reason: str
) -> None:
    found = verdicts(rows({"consent_scopes": scopes}), consents(*changes), unknown_consent=unknown)
    assert found == {"r0": reason}


def test_a_row_without_a_user_needs_the_consent_of_the_only_user_of_its_session() -> None:
    frame = rows({"user_key": None}, {"user_key": "u"}, {"session_id": "other", "user_key": None})
    assert verdicts(frame, consents(("u", False, LATER))) == {
        "r0": "consent_revoked",
        "r1": "consent_revoked",
        "r2": "ok",
    }


def test_only_users_are_learned_from_unless_told_otherwise() -> None:
    frame = rows({}, {"actor": "internal"}, {"actor": "synthetic"})
    assert verdicts(frame) == {"r0": "ok", "r1": "actor", "r2": "actor"}
    assert verdicts(frame, actors=["user", "internal"]) == {"r0": "ok", "r1": "ok", "r2": "actor"}


@pytest.mark.parametrize(("setting", "column"), [("regions", "region"), ("licenses", "license")])
def test_an_allow_list_refuses_what_it_does_not_name(setting: str, column: str) -> None:
    frame = rows({column: "a"}, {column: "b"}, {column: None})
    assert set(verdicts(frame).values()) == {"ok"}
    assert verdicts(frame, **{setting: ["a"]}) == {"r0": "ok", "r1": column, "r2": f"{column}_unknown"}
    lenient = {setting: ["a"], f"unknown_{column}": "allow"}
    assert verdicts(frame, **lenient) == {"r0": "ok", "r1": column, "r2": "ok"}
    assert verdicts(frame, **{setting: []})["r0"] == column


def test_metadata_only_rows_are_refused_whatever_else_is_allowed() -> None:
    frame = rows({"has_text": False}, {"has_text": None})
    options = {"actors": ["user", "internal", "synthetic"], "unknown_consent": "allow"}
    assert verdicts(frame, **options) == {"r0": "metadata_only", "r1": "metadata_only"}


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 12),  # session
        st.one_of(st.none(), st.integers(0, 8)),  # user; None: the event names none
        st.integers(0, 3),  # night on which it is there first
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_no_user_and_no_conversation_is_on_both_sides_over_many_drops(
    events: list[tuple[int, int | None, int]],
) -> None:
    stamped = []
    for n, (session, user, night) in enumerate(events):
        owner = f"user {user}" if user is not None else f"session {session}"
        stamped.append(
            {
                "request_id": f"r{n}",
                "session_id": f"session {session}",
                "user_key": None if user is None else f"user {user}",
                "split": IDENTITY.split(owner),
                "night": night,
            }
        )
    for night in range(4):
        seen = [event for event in stamped if event["night"] <= night]
        if not seen:
            continue
        frame = rows(*seen)
        kept = eligible(frame, NO_CONSENTS, CurationSettings()).kept
        held = frame.filter(pl.col("split") == "held_out")
        for column in ("session_id", "user_key"):
            assert not set(kept[column].drop_nulls()) & set(held[column].drop_nulls())
        # A user's split never changes, so what one night kept no later night holds out by user.
        assert all(IDENTITY.split(user) == "train" for user in kept["user_key"].drop_nulls())


def test_a_user_who_appears_midway_takes_the_conversation_along() -> None:
    frame = rows(
        {"session_id": "a", "user_key": None, "split": "train"},
        {"session_id": "a", "user_key": "u", "split": "held_out"},
        {"session_id": "b", "user_key": None, "split": "held_out"},
        {"session_id": "b", "user_key": "v", "split": "train"},
        {"session_id": "c", "user_key": "v", "split": "train"},
    )
    assert verdicts(frame) == {f"r{n}": "held_out" for n in range(4)} | {"r4": "ok"}
