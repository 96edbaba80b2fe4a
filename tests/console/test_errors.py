"""What a person sees when something outside is wrong: one line, what to do, a non-zero exit."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from infra.broker import EmbeddedBroker
from tests.console.commands import one_clear_line, tailrace


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    "command",
    [
        ["topics", "apply"],
        ["worker", "--drain"],
        ["simulate", "--sessions", "1"],
    ],
)
def test_a_missing_broker(command: list[str], nobody: str, tmp_path: Path) -> None:
    failed = tailrace(*command, cwd=tmp_path, TAILRACE_KAFKA__BOOTSTRAP_SERVERS=nobody)
    assert nobody in one_clear_line(failed)
    assert failed.returncode == 3


def test_a_lake_that_cannot_be_written(broker: EmbeddedBroker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with EmbeddedBroker() as own:
        assert (
            tailrace("topics", "apply", "--bootstrap-servers", own.bootstrap_servers, cwd=tmp_path).returncode
            == 0
        )
        failed = tailrace(
            "worker",
            "--drain",
            "--home",
            tmp_path / "file" / "home",
            "--bootstrap-servers",
            own.bootstrap_servers,
            cwd=tmp_path,
        )
    assert "cannot be" in one_clear_line(failed)


def test_unequal_partition_counts(tmp_path: Path) -> None:
    with EmbeddedBroker() as own:
        admin = AdminClient({"bootstrap.servers": own.bootstrap_servers})
        counts = {"llm.requests": 4, "user.signals": 2, "downstream.outcomes": 4, "consent.events": 4}
        for future in admin.create_topics([NewTopic(n, c, 1) for n, c in counts.items()]).values():
            future.result()
        for command in (["topics", "apply"], ["worker", "--drain"]):
            failed = tailrace(*command, "--bootstrap-servers", own.bootstrap_servers, cwd=tmp_path)
            assert "user.signals" in one_clear_line(failed)
            assert failed.returncode == 1


def test_an_unknown_setting_in_the_environment(tmp_path: Path) -> None:
    failed = tailrace("status", cwd=tmp_path, TAILRACE_JOIN__HORIZON="5")
    assert "TAILRACE_JOIN__HORIZON" in one_clear_line(failed)


def test_an_unknown_setting_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "tailrace.toml").write_text("[join]\nhorizont_minutes = 5\n")
    assert "join.horizont_minutes" in one_clear_line(tailrace("status", cwd=tmp_path))


def test_a_setting_out_of_range(tmp_path: Path) -> None:
    failed = tailrace("status", cwd=tmp_path, TAILRACE_PRIVACY__HELD_OUT_SHARE="2")
    assert "privacy.held_out_share" in one_clear_line(failed)


@pytest.mark.parametrize(
    "command", [["status"], ["settle"], ["drop"], ["drops", "list"], ["dead-letters", "list"]]
)
def test_a_home_without_a_lake(command: list[str], tmp_path: Path) -> None:
    failed = tailrace(*command, "--home", tmp_path / "none", cwd=tmp_path)
    assert "no lake" in one_clear_line(failed)
    assert not (tmp_path / "none").exists()


def test_verifying_what_is_not_a_drop(tmp_path: Path) -> None:
    assert "not a folder" in one_clear_line(tailrace("drops", "verify", tmp_path / "none", cwd=tmp_path))
    assert "manifest.json" in one_clear_line(tailrace("drops", "verify", tmp_path, cwd=tmp_path))


def test_a_file_to_replay_that_is_not_there(tmp_path: Path) -> None:
    failed = tailrace("replay", tmp_path / "none.jsonl", cwd=tmp_path)
    assert "none.jsonl" in one_clear_line(failed)


def test_wrong_usage_is_exit_two(tmp_path: Path) -> None:
    assert tailrace("drops", "frobnicate", cwd=tmp_path).returncode == 2


def test_every_command_explains_itself(tmp_path: Path) -> None:
    shown = tailrace("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for command in ("demo", "worker", "topics", "simulate", "replay", "settle", "drop", "drops", "status"):
        assert command in shown.stdout
