"""What a revocation quarantines: failures of that user that no published drop holds, once, for good."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import TerminalError
from contracts.settings import CurationSettings
from curation.eligibility import eligible
from curation.revocations import Revocation, pending, quarantine_pending, revocations_in
from sinks.lake import Lake
from sinks.quarantine import quarantined, release, released
from sinks.transactions import append_once, append_revisions
from tests.factories import START, table_rows
from tests.lakes import new_lake

NOW = START + timedelta(days=1)
SINCE = (START - timedelta(days=30)).date()


def revocation(user: str = "u1", *, at: datetime = START) -> Revocation:
    return Revocation(user, "training", "2026-03", at)


def interactions(lake: Lake, rows: list[dict[str, Any]]) -> None:
    defaults = {"user_key": "u1", "failure_score": 0.9, "split": "train", "actor": "user"}
    made = [
        {**defaults, "session_id": row.get("session_id", f"s-{row['request_id']}"), "offset": i, **row}
        for i, row in enumerate(rows)
    ]
    append_revisions(lake, table_rows("interactions", made))


def revoke(lake: Lake, *revocations: Revocation, since: date = SINCE) -> int:
    return quarantine_pending(lake, revocations or [revocation()], since=since, threshold=0.5, now=NOW)


def held(lake: Lake) -> set[str]:
    rows = lake.scan("quarantine").collect()
    assert rows["quarantine_id"].is_unique().all()
    return {ids[0] for ids in rows["request_ids"].to_list()}


def test_pending_failures_of_the_user_are_quarantined_with_evidence(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    interactions(
        lake,
        [
            {"request_id": "a"},
            {"request_id": "fine", "failure_score": 0.2},
            {"request_id": "other", "user_key": "u2"},
            {"request_id": "unnamed", "session_id": "s-a", "user_key": None},
            {"request_id": "shared", "session_id": "s-two", "user_key": None},
            {"request_id": "mine", "session_id": "s-two"},
            {"request_id": "theirs", "session_id": "s-two", "user_key": "u2"},
        ],
    )
    assert revoke(lake) == 3
    assert held(lake) == {"a", "mine", "unnamed"}
    row = quarantined(lake, reason="revoked").filter(pl.col("request_ids").list.first() == "a").collect()
    (only,) = row.to_dicts()
    assert (only["drop_id"], only["stage"], only["kind"], only["date"]) == (
        "pending",
        "consent",
        "interaction",
        START.date(),
    )
    assert msgspec.json.decode(only["evidence"]) == {
        "scope": "training",
        "policy_version": "2026-03",
        "revoked_at": "2026-03-01T12:00:00Z",
    }
    assert (only["refused_at"], only["released"]) == (NOW, False)


def test_repeats_add_nothing_and_change_nothing(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    interactions(lake, [{"request_id": "a"}])
    assert revoke(lake) == 1
    version = lake.version("quarantine")
    assert revoke(lake) == 0
    assert revoke(lake, revocation(at=NOW), revocation()) == 0
    assert lake.version("quarantine") == version
    interactions(lake, [{"request_id": "a", "revision": 2}, {"request_id": "b"}])
    assert revoke(lake) == 1
    assert held(lake) == {"a", "b"}


def test_the_current_revision_decides(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    interactions(lake, [{"request_id": "better"}, {"request_id": "worse", "failure_score": 0.1}])
    interactions(
        lake,
        [
            {"request_id": "better", "revision": 2, "failure_score": 0.1},
            {"request_id": "worse", "revision": 2},
        ],
    )
    assert revoke(lake) == 1
    assert held(lake) == {"worse"}


def test_published_rows_are_not_pending_but_those_of_a_drop_that_was_never_published_are(
    tmp_path: Path,
) -> None:
    lake = new_lake(tmp_path)
    interactions(lake, [{"request_id": "out"}, {"request_id": "cut"}, {"request_id": "waits"}])
    append_once(
        lake,
        "examples",
        table_rows(
            "examples",
            [
                {"drop_id": "d1", "user_key": "u1", "request_ids": ["out", "x"]},
                {"drop_id": "d2", "user_key": "u1", "request_ids": ["cut"]},
            ],
        ),
        batch_id="e",
    )
    append_once(lake, "drops", table_rows("drops", [{"drop_id": "d1"}]), batch_id="d")
    assert revoke(lake) == 2
    assert held(lake) == {"cut", "waits"}


def test_older_days_are_not_read(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    old = START - timedelta(days=40)
    interactions(lake, [{"request_id": "old", "occurred_at": old, "date": old.date()}, {"request_id": "new"}])
    plan = lake.scan("interactions").filter(pl.col("date") >= SINCE)
    assert plan.select(pl.len()).collect().item() == 1
    assert revoke(lake) == 1
    assert held(lake) == {"new"}
    for name in lake.table("interactions").file_uris():
        if f"date={old.date()}" in name:
            Path(name.removeprefix("file://")).unlink()
    assert revoke(lake) == 0  # would fail if it opened the old day's file


def test_a_user_without_candidates_costs_one_look_and_no_commit(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    interactions(lake, [{"request_id": "a", "user_key": "u2"}])
    version = lake.version("quarantine")
    assert revoke(lake, revocation("nobody")) == 0
    assert pending(lake, {"nobody"}, since=SINCE, threshold=0.5).is_empty()
    assert revoke(lake, revocation("u2")) == 1
    assert lake.version("quarantine") == version + 1


def test_two_workers_at_once_write_each_row_once(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    interactions(lake, [{"request_id": f"r{i}"} for i in range(20)])
    added: list[int] = []
    threads = [threading.Thread(target=lambda: added.append(revoke(Lake(tmp_path)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [0, 0, 0, 20]
    assert len(held(lake)) == 20


def test_nobody_can_release_a_revocation(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    interactions(lake, [{"request_id": "a"}])
    revoke(lake)
    own = lake.scan("quarantine").collect()["quarantine_id"].item()
    rows = [
        {"quarantine_id": reason, "stage": "eligible", "reason": reason}
        for reason in ("consent_revoked", "consent_denied", "consent_unknown")
    ]
    append_once(lake, "quarantine", table_rows("quarantine", rows), batch_id="q")
    for quarantine_id in (own, *(row["quarantine_id"] for row in rows)):
        with pytest.raises(TerminalError, match="does not consent"):
            release(lake, quarantine_id, "we really want it", now=NOW)
    assert released(lake) == frozenset()


Change = tuple[int, bool]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=6))
def test_who_revoked_is_refused_and_who_granted_again_is_not(changes: list[Change]) -> None:
    """History in the quarantine decides nothing: eligibility goes by the consent events alone."""
    consents = pl.DataFrame(
        [
            {
                "user_key": "u1",
                "scope": "training",
                "granted": granted,
                "policy_version": "p",
                "occurred_at": START + timedelta(minutes=minute, microseconds=i),
            }
            for i, (minute, granted) in enumerate(changes)
        ],
        schema={
            "user_key": pl.String,
            "scope": pl.String,
            "granted": pl.Boolean,
            "policy_version": pl.String,
            "occurred_at": pl.Datetime("us", "UTC"),
        },
    )
    row = pl.DataFrame(
        [
            {
                "request_id": "r",
                "session_id": "s",
                "user_key": "u1",
                "actor": "user",
                "split": "train",
                "occurred_at": datetime(2026, 1, 1, tzinfo=UTC),
                "consent_scopes": ["training"],
                "consent_policy_version": "p",
                "license": None,
                "region": None,
                "has_text": True,
                "date": date(2026, 1, 1),
            }
        ],
        schema_overrides={"license": pl.String, "region": pl.String},
    )
    refused = eligible(row, consents, CurationSettings()).refused["reason"].to_list()
    revoked = [found.user_key for found in revocations_in(consents)]
    assert (refused == ["consent_revoked"]) is (revoked == ["u1"])
