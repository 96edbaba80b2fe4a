"""Drops in the hands of TRL's trainers, on a tiny model that knows nothing before.

Real optimisation steps on the processor, in a process with torch and TRL of its own (`trl_runs.py`):
`make test-trl` sets everything up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import polars as pl
import pytest

from sinks.drops.manifest import read_manifest
from tests.drop_files import read_rows

PYTHON = "TAILRACE_TEST_TRL"
"""Environment variable: the Python that has trl and torch."""

RUNS = Path(__file__).with_name("trl_runs.py")
QUIET = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

TAKE_TOOLS = {"glm4moe", "gptoss", "qwen2_5", "qwen3", "qwen3_5_think"}
"""Families whose chat templates take every row with tools, several calls at once among them."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get(PYTHON), reason=f"{PYTHON} is not set: make test-trl does"),
]

Run = Callable[[str, Path], dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Do a run of `trl_runs.py` with a drop; a line of what came of it is printed."""

    def run(name: str, folder: Path) -> dict[str, Any]:
        python = Path(os.environ[PYTHON]).absolute()
        places = {"TMPDIR": str(tmp_path), "HF_HOME": str(tmp_path / "huggingface")}
        environment = {**os.environ, **QUIET, **places}
        made = subprocess.run([python, RUNS, name, folder], capture_output=True, text=True, env=environment)
        assert made.returncode == 0, made.stderr[-4000:]
        found: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
        losses = found.get("losses")
        told = f"{losses[0]:.3f} → {losses[-1]:.3f} in {len(losses)} steps" if losses else ""
        versions = ", ".join(f"{package} {version}" for package, version in found["versions"].items())
        with capsys.disabled():
            sys.stdout.write(f"\n{name}: {told} ({versions})\n")
        return found

    return run


def learned(found: dict[str, Any]) -> None:
    """Every step had a loss, every parameter moved, and the loss went down."""
    assert found["finite"]
    assert found["changed"] == 1.0
    assert mean(found["losses"][-5:]) < 0.8 * mean(found["losses"][:5])


def test_trl_and_chat_templates_take_every_row(run: Run, tooled: Path) -> None:
    found = run("data", tooled)
    listed = read_manifest(tooled)["files"]
    rows = {
        f"{kind}/{split}.parquet": count
        for kind, splits in found["rows"].items()
        for split, count in splits.items()
    }
    parquet = {name: entry["rows"] for name, entry in listed.items() if name.endswith(".parquet")}
    assert rows == {name: count for name, count in parquet.items() if name != "provenance.parquet"}
    assert found["conversational"] == found["all"] == sum(rows.values())
    assert found["extracted"] == found["pairs"] > 0
    families = found["families"]
    assert families.keys() > TAKE_TOOLS
    plain = families["qwen3"]["plain rows"]
    assert {name: family["plain rows"] for name, family in families.items()} == dict.fromkeys(families, plain)
    for name in TAKE_TOOLS:
        assert families[name]["refused"] == {}
        assert families[name]["plain rows"] + families[name]["tool rows"] == found["all"]


@pytest.mark.parametrize("which", ["tooled", "plain"])
def test_dpo_learns_to_prefer_the_chosen_side(run: Run, which: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(which)
    found = run("dpo", folder)
    learned(found)
    assert found["rows"] == read_manifest(folder)["files"]["preference/train.parquet"]["rows"]
    assert found["after"] > found["before"] + 0.5
    assert found["evaluated"]["eval_rewards/accuracies"] > 0.5


def test_kto_learns_from_single_rows_with_the_weights_of_the_manifest(run: Run, tooled: Path) -> None:
    found = run("kto", tooled)
    learned(found)
    good, rows = found["labels"]
    assert found["rows"] == rows == pl.read_parquet(tooled / "unpaired" / "train.parquet").height
    assert 0 < good < rows / 2
    assert (
        found["weights"]
        == list(read_manifest(tooled)["kto"].values())
        == [pytest.approx((rows - good) / good, abs=1e-4), 1]
    )
    assert found["warnings"] == []
    assert found["after"] > found["before"] + 0.5


def test_sft_learns_what_the_assistant_said_and_nothing_else(run: Run, tooled: Path) -> None:
    found = run("sft", tooled)
    learned(found)
    assert found["rows"] == len(found["talks"]) == len(found["learned"])
    for row, text in zip(found["talks"], found["learned"], strict=True):
        assert text == "".join(said(turn) for turn in row["messages"] if turn["role"] == "assistant")


def said(turn: dict[str, Any]) -> str:
    """What a model of Qwen's family writes for a turn."""
    functions = [call["function"] for call in turn.get("tool_calls", ())]
    made = [json.dumps({key: f[key] for key in ("name", "arguments")}, ensure_ascii=False) for f in functions]
    calls = [f"\n<tool_call>\n{call}\n</tool_call>" for call in made]
    text = f"\n{turn['content']}" if turn["content"] or not calls else ""
    return text + "".join(calls) + "<|im_end|>\n"


def test_a_reward_model_learns_the_pairs_and_is_given_their_margins(
    run: Run, compared: Path, plain: Path
) -> None:
    assert (read_rows(compared, "preference")["margin"] > 0).all()
    found = run("reward", compared)
    learned(found)
    assert "margin" in found["batch"]
    assert found["last"]["accuracy"] > 0.8
    without = run("reward", plain)
    assert "margin" not in without["batch"]
    # The same untrained model has more to lose where the chosen side must win by a margin.
    assert found["losses"][0] > without["losses"][0] + 0.1


def test_an_online_method_takes_the_prompts(run: Run, tooled: Path) -> None:
    found = run("grpo", tooled)
    assert found["finite"]
    assert found["changed"] == 1.0
    assert found["rows"] == read_manifest(tooled)["files"]["prompts/train.parquet"]["rows"]
    assert set(found["asked"]) == {"user", "tool"}
    assert 0 < found["last"]["reward"] <= 1
