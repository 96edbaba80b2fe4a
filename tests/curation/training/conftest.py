"""Drops that the tests of this folder read, each made once."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from tests.curation.judge.server import FakeServer, Host
from tests.curation.training import drops


@pytest.fixture(scope="session")
def tooled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drop with pairs and single rows, of which many offer, call or have called functions."""
    return drops.drop_of(tmp_path_factory.mktemp("tooled"), drops.everything()).folder


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drop without tools."""
    return drops.drop_of(tmp_path_factory.mktemp("plain"), drops.without_tools()).folder


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory, judge_host: Host) -> Path:
    """A drop without tools whose pairs have a margin each."""
    home = tmp_path_factory.mktemp("compared")
    judge_host.server = FakeServer(base_url=judge_host.base_url)
    return drops.compared_drop_of(home, drops.without_tools(), judge_host.server).folder


@pytest.fixture(params=["tooled", "plain", "compared"])
def folder(request: pytest.FixtureRequest) -> Path:
    """The folder of each drop in turn."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def _quiet() -> None:
    datasets.disable_progress_bars()
