"""The command line starts without the libraries that only some commands need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from console.lazy import Command
from console.main import COMMANDS

CHECKOUT = Path(__file__).parents[2]
SLOW = (
    "polars",
    "pandera",
    "deltalake",
    "pyarrow",
    "numpy",
    "faust",
    "jinja2",
    "confluent_kafka",
    "kafka",
    "openai",
)

CHILD = """
import sys
from console.main import app
try:
    app(sys.argv[2:])
except SystemExit as end:
    code = end.code
sys.stderr.write(" ".join(name for name in sys.argv[1].split(",") if name in sys.modules))
sys.exit(code)
"""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_listed_command_exists_and_says_the_same_of_itself(command: Command) -> None:
    first, _, _ = (command.load().help or "").partition("\n\n")
    assert " ".join(first.split()) == command.help


@pytest.mark.parametrize(
    "arguments", [["--help"], ["settings", "--json"], ["topics", "--help"], ["broker", "--help"]]
)
def test_what_needs_no_lake_does_not_import_one(arguments: list[str], tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", CHILD, ",".join(SLOW), *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout
