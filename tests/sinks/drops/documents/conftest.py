"""One drop for all tests of documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from sinks.drops.staging import Staged, stage
from tests.sinks.drops.documents.samples import ROWS, content


@pytest.fixture(scope="package")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Staged:
    return stage(tmp_path_factory.mktemp("drops"), "20260302-abcdef012345", ROWS, content())


@pytest.fixture(scope="package")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Staged:
    """A drop without rows, of a manifest that says next to nothing."""
    bare = {"drop_id": "nothing", "as_of": "2026-03-02T00:00:00Z", "counts": {"preference": 0, "unpaired": 0}}
    return stage(tmp_path_factory.mktemp("drops"), "nothing", ROWS.clear(), bare)


@pytest.fixture
def folder(drop: Staged) -> Path:
    return drop.folder
