"""`tailrace judge bias` over a lake that holds comparisons."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.commands.judge import app
from contracts.errors import TerminalError
from curation.judge.pairwise import PairwiseJudge
from curation.judging_pairs import compare_all
from curation.verdict_memory import Memory
from sinks.lake import Lake
from tests.curation.judge.helpers import comparison, pairwise_judge
from tests.curation.judge.server import FakeServer, always_first, hosted, longer
from tests.lakes import new_lake

runner = CliRunner()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def filled(lake: Lake) -> tuple[PairwiseJudge, PairwiseJudge]:
    """Two epochs: one follows the position, one the length."""
    with hosted() as host:
        host.server = FakeServer(base_url=host.base_url, prefer=always_first)
        first = pairwise_judge(host.base_url, model="first")
        second = pairwise_judge(host.base_url, model="second")
        pairs = [comparison(n, a="It is lost. " * (n + 2)) for n in range(8)]
        compare_all(Memory(lake, 1), first, pairs)
        host.server.prefer = longer
        compare_all(Memory(lake, 2), second, pairs)
    return first, second


def test_each_epoch_is_shown_with_its_bias(lake: Lake, tmp_path: Path) -> None:
    first, second = filled(lake)
    shown = runner.invoke(app, ["bias", "--home", str(tmp_path), "--json"])
    assert shown.exit_code == 0
    epochs = json.loads(shown.stdout)["epochs"]
    assert set(epochs) == {first.epoch.id, second.epoch.id}
    assert epochs[first.epoch.id]["inconsistency_rate"]["value"] == 1.0
    assert epochs[first.epoch.id]["judge"] == "openai:first"
    assert epochs[second.epoch.id]["length"]["longer_wins"]["value"] == 1.0
    assert epochs[second.epoch.id]["consistent"] == 8
    words = runner.invoke(app, ["bias", "--home", str(tmp_path), "--epoch", first.epoch.id[:6]])
    assert words.exit_code == 0
    assert "biased to the first position" in words.stdout
    assert second.epoch.id not in words.stdout


def test_a_lake_without_comparisons_says_how_to_get_some(lake: Lake, tmp_path: Path) -> None:
    found = runner.invoke(app, ["bias", "--home", str(tmp_path)])
    assert isinstance(found.exception, TerminalError)
    assert "rewrites" in (found.exception.hint or "")
    found = runner.invoke(app, ["bias", "--home", str(tmp_path), "--epoch", "nope"])
    assert "epoch nope" in str(found.exception)
