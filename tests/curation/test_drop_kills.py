"""A few of the kills of `tests/faults/test_drop_kills.py`, for every run of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.drop_children import Fault
from tests.faults.drop_homes import Undisturbed, erasing_in, killed_and_repeated, publishing_in


@pytest.fixture(scope="module")
def publishing(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return publishing_in(tmp_path_factory.mktemp("publishing"))


@pytest.fixture(scope="module")
def erasing(publishing: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return erasing_in(tmp_path_factory.mktemp("erasing"), publishing)


def test_a_few_kills_while_publishing(publishing: Undisturbed, tmp_path: Path) -> None:
    faults = [Fault("rows:preferences"), Fault("registered")]
    killed_and_repeated("publish", publishing, tmp_path / "home", *faults)


def test_a_kill_while_erasing(erasing: Undisturbed, tmp_path: Path) -> None:
    killed_and_repeated("erase", erasing, tmp_path / "home", Fault("marked"))
