"""A pytest plugin: how the tests are spread over several processes (`pytest -n N`).

The tests of a file stay together, in their order: they may share what a module's fixtures made, and
some tell one story. The files of `ALONE` hold long tests that share nothing; there each test goes by
itself.
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

ALONE: Final = "tests/faults/"
WAITING: Final = frozenset({"broker", "any_broker", "apache_kafka", "own_apache_kafka", "place"})
"""Fixtures whose tests mostly wait: for group joins, sessions, brokers that start."""


class FileByFile(LoadScopeScheduling):
    """Hands a process the next file, or the next single test of `ALONE`, when it has little left."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return nodeid if file.startswith(ALONE) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Files in the order of collection, not by their number of tests, which says little of their time."""
    config.option.loadscopereorder = False
    return FileByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests that wait come first, so that the many quick ones fill up the end."""
    waiting = {item.path for item in items if WAITING & set(getattr(item, "fixturenames", ()))}
    items.sort(key=lambda item: item.path not in waiting)
