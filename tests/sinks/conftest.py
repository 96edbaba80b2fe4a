"""A fresh lake per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from sinks.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path / "lake")
    made.create()
    return made
