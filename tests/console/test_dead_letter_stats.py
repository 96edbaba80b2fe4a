"""`tailrace dead-letters stats`, and what `tailrace quarantine release` says about a revocation."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.main import app
from contracts import reasons
from contracts.errors import TerminalError
from sinks.lake import Lake
from sinks.quarantine import CONSENT_STAGE, add
from sinks.transactions import append_messages
from tests.factories import table_rows

NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
OLD = NOW - timedelta(days=9)
runner = CliRunner(env={"COLUMNS": "200"})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lake = Lake(tmp_path / "lake")
    lake.create()
    rows = [
        ("llm.requests", reasons.SCHEMA, "$.model", NOW),
        ("llm.requests", reasons.SCHEMA, "$.model", NOW + timedelta(seconds=5)),
        ("llm.requests", reasons.SCHEMA, "$.usage", NOW),
        ("llm.requests", reasons.SCHEMA, "$.usage", NOW),
        ("user.signals", reasons.TOMBSTONE, "", OLD),
    ]
    made = [
        {
            "topic": topic,
            "reason": reason,
            "field": path,
            "received_at": at,
            "date": at.date(),
            "offset": i,
            "value": b"what a user said",
        }
        for i, (topic, reason, path, at) in enumerate(rows)
    ]
    append_messages(lake, "dead_letters", "t@1", table_rows("dead_letters", made))
    return tmp_path


def test_counts_by_day_reason_and_topic_with_places_and_without_contents(home: Path) -> None:
    answer = runner.invoke(app, ["dead-letters", "stats", "--json", "--home", str(home)])
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    assert found["total"] == 5
    new, old = found["counts"]
    assert (new["date"], new["reason"], new["topic"], new["count"]) == (
        str(NOW.date()),
        "schema",
        "llm.requests",
        4,
    )
    assert new["examples"] == ["0/1", "0/3", "0/2"]
    assert (old["reason"], old["count"], old["examples"]) == ("tombstone", 1, ["0/4"])
    assert found["schema_fields"] == [
        {"topic": "llm.requests", "field": "$.model", "count": 2},
        {"topic": "llm.requests", "field": "$.usage", "count": 2},
    ]
    shown = runner.invoke(app, ["dead-letters", "stats", "--days", "2", "--home", str(home)])
    assert shown.exit_code == 0, shown.output
    assert "schema" in shown.stdout
    assert "$.model" in shown.stdout
    assert "tombstone" not in shown.stdout
    assert "what a user said" not in shown.stdout + answer.stdout


def test_an_empty_lake_has_no_counts(tmp_path: Path) -> None:
    Lake(tmp_path / "lake").create()
    answer = runner.invoke(app, ["dead-letters", "stats", "--json", "--home", str(tmp_path)])
    assert json.loads(answer.stdout) == {"total": 0, "counts": [], "schema_fields": []}


def test_a_revocation_cannot_be_released(home: Path) -> None:
    row = {"quarantine_id": "q1", "stage": CONSENT_STAGE, "reason": "revoked", "drop_id": "pending"}
    assert add(Lake(home / "lake"), table_rows("quarantine", [row])) == 1
    refused = runner.invoke(app, ["quarantine", "release", "q1", "--reason", "please", "--home", str(home)])
    assert isinstance(refused.exception, TerminalError)
    assert "user does not consent" in str(refused.exception)
    shown = runner.invoke(app, ["quarantine", "list", "--reason", "revoked", "--json", "--home", str(home)])
    assert json.loads(shown.stdout)["newest"][0]["released"] is False
