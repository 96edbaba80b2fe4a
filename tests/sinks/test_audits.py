"""What auditors ask: revoked consent, shares, one example, one user."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import TerminalError
from sinks import audits
from sinks.drops.marks import mark_superseded
from sinks.lake import Lake
from sinks.models import Training, register
from sinks.transactions import append_once
from tests.factories import table_rows

NOW = datetime(2026, 3, 9, tzinfo=UTC)


def day(n: int) -> datetime:
    return datetime(2026, 3, n, tzinfo=UTC)


def example(example_id: str, **fields: Any) -> dict[str, Any]:
    same = {"drop_id": "d1", "consent_scope": "training", "session_id": f"s-{example_id}", "user_key": None}
    return {**same, "example_id": example_id, "request_ids": [f"r-{example_id}"], **fields}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.create()
    append_once(lake, "drops", table_rows("drops", [{"drop_id": "d1"}, {"drop_id": "d2"}]), batch_id="t")
    rows = [
        example("1", user_key="ann", license="mit", source_type="user_correction"),
        example("2", user_key="bob", license="mit", source_type="synthetic"),
        example("3", session_id="of-ann", license=None, source_type="production_log"),
        example("4", session_id="shared", source_type="production_log"),
        example("1", user_key="ann", drop_id="d2", source_type="user_correction"),
    ]
    append_once(lake, "examples", table_rows("examples", rows), batch_id="t")
    requests = [
        {"request_id": "q1", "session_id": "of-ann", "user_key": "ann", "offset": 0},
        {"request_id": "q2", "session_id": "shared", "user_key": "ann", "offset": 1},
        {"request_id": "q3", "session_id": "shared", "user_key": "bob", "offset": 2},
    ]
    append_once(lake, "requests", table_rows("requests", requests), batch_id="t")
    changes = [
        {"user_key": "ann", "scope": "training", "granted": True, "occurred_at": day(1), "offset": 0},
        {"user_key": "ann", "scope": "training", "granted": False, "occurred_at": day(5), "offset": 1},
        {"user_key": "bob", "scope": "training", "granted": False, "occurred_at": day(2), "offset": 2},
        {"user_key": "bob", "scope": "training", "granted": True, "occurred_at": day(3), "offset": 3},
        {"user_key": "bob", "scope": "research", "granted": False, "occurred_at": day(4), "offset": 4},
    ]
    append_once(lake, "consents", table_rows("consents", changes), batch_id="t")
    register(lake, Training(drops=("d2",), base_model="b"), now=NOW, model_id="m2")
    return lake


def test_rows_of_users_who_revoked_are_found_in_every_drop(lake: Lake) -> None:
    found = audits.revoked(lake, NOW)
    rows = found.rows.select("drop_id", "example_id", "user_key", "revoked_at").rows()
    # the row without a user is ann's: nobody else is known in its session
    assert rows == [("d1", "1", "ann", day(5)), ("d1", "3", "ann", day(5)), ("d2", "1", "ann", day(5))]
    assert found.drops.rows() == [("d1", 2, 1, 0.5), ("d2", 1, 1, 1.0)]
    assert found.models["model_id"].to_list() == ["m2"]


def test_consent_is_asked_as_of_a_time(lake: Lake) -> None:
    assert audits.revoked(lake, day(4)).rows.is_empty()
    then = audits.revoked(lake, datetime(2026, 3, 2, 12, tzinfo=UTC))
    assert then.rows["user_key"].to_list() == ["bob"]
    assert then.models.is_empty()


@pytest.mark.parametrize(
    ("by", "first"),
    [
        ("licence", ("mit", 2, 0.5, 2)),
        ("synthetic", ("natural", 3, 0.75, 1)),
        ("source", ("production_log", 2, 0.5, 0)),
    ],
)
def test_a_drop_is_broken_down(lake: Lake, by: str, first: tuple[Any, ...]) -> None:
    found = audits.breakdown(lake, "d1", by)
    assert first in found.rows()
    assert found["rows"].sum() == 4


def test_an_example_is_followed_both_ways(lake: Lake) -> None:
    found = audits.example(lake, "1")
    assert [row["drop_id"] for row in found["rows"]] == ["d1", "d2"]
    assert [c["granted"] for c in found["consents"]] == [True, False]
    assert [m["model_id"] for m in found["models"]] == ["m2"]
    assert ("drop", "d2", "m2") in {
        (e["source_kind"], e["source_id"], e["target_id"]) for e in found["lineage"]
    }
    with pytest.raises(TerminalError, match="no published drop"):
        audits.example(lake, "9")


def test_a_user_is_counted_in_every_table(lake: Lake) -> None:
    found = audits.user(lake, "ann")
    # One of the rows in drops names no user: the conversation it is from does.
    held = {name: rows for name, rows in found["tables"].items() if rows}
    assert held == {"requests": 2, "consents": 2, "examples": 3}
    assert {"judgments", "preferences", "quarantine", "outcomes"} < set(found["tables"])
    assert found["drops"] == [{"drop_id": "d1", "rows": 2}, {"drop_id": "d2", "rows": 1}]
    assert [m["model_id"] for m in found["models"]] == ["m2"]
    assert not any(audits.user(lake, "nobody")["tables"].values())


def test_a_superseded_drop_counts_through_the_one_that_stands_in_for_it(lake: Lake) -> None:
    register(lake, Training(drops=("d1",), base_model="b"), now=NOW, model_id="m1")
    mark_superseded(lake, "d1", "d2", reason="erasure", removed_rows=1, models=["m1"], now=NOW)
    found = audits.revoked(lake, NOW)
    assert found.drops["drop_id"].to_list() == ["d2"]
    # trained before the erasure: it has seen the rows that are in d2 as well
    assert sorted(found.models["model_id"]) == ["m1", "m2"]
    assert [m["model_id"] for m in audits.user(lake, "ann")["models"]] == found.models["model_id"].to_list()
