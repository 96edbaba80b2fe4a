from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from tests.console.commands import tailrace


def test_the_command_says_its_version(tmp_path: Path) -> None:
    assert tailrace("--version", cwd=tmp_path).stdout.strip() == f"tailrace {version('tailrace')}"
