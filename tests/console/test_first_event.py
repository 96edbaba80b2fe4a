"""The README's first steps: send an event with the emitter, join it, build a drop."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.settings_table import with_table
from infra.broker import EmbeddedBroker
from sinks.lake import Lake
from tests.console.commands import CHECKOUT, answer, tailrace

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
FAST = {"TAILRACE_KAFKA__SESSION_TIMEOUT_MS": "6000", "TAILRACE_JOIN__IDLE_SECONDS": "1"}


@pytest.fixture(scope="module")
def own_broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as started:
        yield started


def snippet(heading: str) -> str:
    """The first Python block under a heading."""
    section = README.split(f"## {heading}\n", 1)[1]
    found = re.search(r"```python\n(.*?)```", section, re.S)
    assert found
    return found.group(1)


def test_the_snippets_of_the_readme_work(
    own_broker: EmbeddedBroker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers = own_broker.bootstrap_servers
    environment = {**FAST, "TAILRACE_KAFKA__BOOTSTRAP_SERVERS": servers}
    assert tailrace("topics", "apply", cwd=tmp_path, **environment).returncode == 0
    exec(snippet("Send your first event").replace("127.0.0.1:9092", servers), {})
    drained = answer(tailrace("worker", "--drain", "--json", cwd=tmp_path, **environment))
    assert (drained["consumed"], drained["interactions"], drained["dead_letters"]) == (3, 1, 0)
    drop = answer(tailrace("drop", "--json", cwd=tmp_path, **environment))
    held_out = Lake(tmp_path / "tailrace-home" / "lake").requests().collect()["split"][0] == "held_out"
    assert drop["preference"] == (0 if held_out else 1)
    verified = tailrace("drops", "verify", f"tailrace-home/drops/{drop['drop_id']}", cwd=tmp_path)
    assert verified.returncode == 0
    monkeypatch.chdir(tmp_path)
    exec(snippet("Look at the lake"), {})
    assert "support_answer" in capsys.readouterr().out


def test_a_recording_is_replayed_and_repaired_dead_letters_come_back(
    own_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    environment = {
        **FAST,
        "TAILRACE_KAFKA__BOOTSTRAP_SERVERS": own_broker.bootstrap_servers,
        "TAILRACE_KAFKA__GROUP_ID": "repair",
        **{
            f"TAILRACE_KAFKA__{n}_TOPIC": f"repair.{n.lower()}"
            for n in ("REQUESTS", "SIGNALS", "OUTCOMES", "CONSENTS")
        },
    }
    assert tailrace("topics", "apply", cwd=tmp_path, **environment).returncode == 0
    at = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    request = {"event_id": "e1", "request_id": "r1", "session_id": "s1", "occurred_at": at, "feature": "f"}
    signal = {"event_id": "e2", "session_id": "s1", "request_id": "r1", "occurred_at": at, "kind": "kopy"}
    lines = [
        {"topic": "llm.requests", "key": "s1", "value": request},
        {"topic": "user.signals", "key": "s1", "value": signal},
    ]
    recording = tmp_path / "events.jsonl"
    recording.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sent = answer(tailrace("replay", recording, "--json", cwd=tmp_path, **environment))
    assert sent["events"] == 2
    answer(tailrace("worker", "--drain", "--json", cwd=tmp_path, **environment))
    listed = answer(tailrace("dead-letters", "list", "--json", cwd=tmp_path, **environment))
    assert listed["reasons"] == {"schema": 1}
    assert listed["newest"][0]["field"] == "$.kind"
    exported = tmp_path / "letters.jsonl"
    answer(tailrace("dead-letters", "export", exported, "--json", cwd=tmp_path, **environment))
    exported.write_text(exported.read_text().replace("kopy", "copy"))
    answer(tailrace("dead-letters", "replay", exported, "--json", cwd=tmp_path, **environment))
    answer(tailrace("worker", "--drain", "--json", cwd=tmp_path, **environment))
    answer(tailrace("settle", "--json", cwd=tmp_path, **environment))
    status = answer(tailrace("status", "--json", cwd=tmp_path, **environment))
    assert status["events"] == {
        "consumed": 3,
        "joined": 2,
        "pending": 0,
        "duplicate": 0,
        "late": 0,
        "orphan": 0,
        "dead_letter": 1,
    }
    row = Lake(tmp_path / "tailrace-home" / "lake").interactions().collect().row(0, named=True)
    assert (row["request_id"], row["revision"], row["copy_count"]) == ("r1", 2, 1)


def test_simulating_twice_writes_the_same_file(tmp_path: Path) -> None:
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file in files:
        written = answer(tailrace("simulate", "--sessions", "20", "--out", file, "--json", cwd=tmp_path))
        assert written["events"] == len(file.read_text().splitlines()) > 50
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_settings_table_of_the_readme_is_up_to_date() -> None:
    assert with_table(README) == README


def test_settings_never_show_secrets(tmp_path: Path) -> None:
    shown = answer(
        tailrace(
            "settings",
            "--json",
            cwd=tmp_path,
            TAILRACE_JUDGE__API_KEY="sk-planted",
            TAILRACE_JUDGE__PANEL='[{"model": "second", "api_key": "sk-planted"}]',
            TAILRACE_JUDGE__RUBRICS='{"chat": "chat.md"}',
            TAILRACE_KAFKA__SECURITY='{"sasl.password": "planted"}',
            TAILRACE_JOIN__HORIZON_MINUTES="7",
        )
    )
    assert "planted" not in str(shown)
    assert shown["judge.api_key"]["value"] == "***"
    assert shown["judge.panel"]["value"][0]["model"] == "second"
    assert shown["judge.rubrics"]["value"] == {"chat": "chat.md"}
    assert shown["join.horizon_minutes"] == {"value": 7.0, "default": 30}
