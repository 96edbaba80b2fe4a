"""A pytest plugin: how the tests are spread over several processes (`pytest -n N`).

The tests of a file stay together, in their order: they may share what a module's fixtures made, and
some tell one story. The files of `ALONE` hold long tests that share nothing; there each test goes by
itself. What takes long goes first: tests with a long time limit, then files whose tests wait for
brokers; the many quick ones fill up the end.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

ALONE: Final = "tests/faults/"
WAITING: Final = frozenset({"broker", "any_broker", "apache_kafka", "own_apache_kafka", "place"})
"""Fixtures whose tests mostly wait: for group joins, sessions, brokers that start."""


def unit_of(nodeid: str) -> str:
    """What a test stays together with: its file, or only itself."""
    return nodeid if nodeid.startswith(ALONE) else nodeid.split("::", 1)[0]


class UnitByUnit(LoadScopeScheduling):
    """Hands a process the next unit when it has little left."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Units in the order of collection, not by their number of tests, which says little of their time."""
    config.option.loadscopereorder = False
    return UnitByUnit(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest units first; with one process too, so that the order is the same."""
    limits: dict[str, float] = defaultdict(float)
    waiting: set[str] = set()
    for item in items:
        unit, limit = unit_of(item.nodeid), item.get_closest_marker("timeout")
        if limit is not None:
            limits[unit] = max(limits[unit], *map(float, limit.args))
        if WAITING & set(getattr(item, "fixturenames", ())):
            waiting.add(unit)
    items.sort(key=lambda item: (-limits[unit_of(item.nodeid)], unit_of(item.nodeid) not in waiting))
