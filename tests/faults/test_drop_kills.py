"""A process that is killed while it publishes a drop or erases a person: nothing is half-visible, ever.

Each kill is a SIGKILL of a real process, which works on a home of its own: after every named step; before a
file changes, drawn from all changes that Python makes; and at some time, from outside. After it a reader that
knows nothing looks at everything, and another process does the work again: it must end as the one that nobody
disturbed, byte for byte.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.drop_children import Fault
from tests.faults.drop_homes import Undisturbed, erasing_in, killed_and_repeated, publishing_in

pytestmark = pytest.mark.faults

RANDOM_KILLS = 30

PUBLISH_STEPS = [
    *(f"rows:{t}" for t in ("examples", "preferences", "quarantine", "lineage", "example_sketches")),
    *("moved", "registered"),
]
ERASE_STEPS = [
    *("identified", "tombstones", "requested", "fenced"),
    *(f"tables:{name}" for name in ("requests", "signals", "examples", "lineage")),
    *("tables", "staged", "rows:examples", "rows:lineage", "moved", "registered", "marked", "cleared"),
    *("files", "drops", "vacuum:requests", "vacuum:lineage", "vacuum", "certificate", "proven"),
]


@pytest.fixture(scope="module")
def publishing(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return publishing_in(tmp_path_factory.mktemp("publishing"))


@pytest.fixture(scope="module")
def erasing(publishing: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return erasing_in(tmp_path_factory.mktemp("erasing"), publishing)


@pytest.mark.parametrize("step", PUBLISH_STEPS)
def test_a_kill_after_a_step_of_publishing(publishing: Undisturbed, tmp_path: Path, step: str) -> None:
    assert set(publishing.ended.steps) == set(PUBLISH_STEPS)
    killed_and_repeated("publish", publishing, tmp_path / "home", Fault(step))


@pytest.mark.parametrize("number", range(RANDOM_KILLS))
def test_a_kill_at_random_while_publishing(publishing: Undisturbed, tmp_path: Path, number: int) -> None:
    killed_and_repeated("publish", publishing, tmp_path / "home", publishing.fault(number, seed=1))


@pytest.mark.parametrize("step", ERASE_STEPS)
def test_a_kill_after_a_step_of_an_erasure(erasing: Undisturbed, tmp_path: Path, step: str) -> None:
    assert set(ERASE_STEPS) <= set(erasing.ended.steps)
    killed_and_repeated("erase", erasing, tmp_path / "home", Fault(step))


@pytest.mark.parametrize("number", range(RANDOM_KILLS))
def test_a_kill_at_random_while_erasing(erasing: Undisturbed, tmp_path: Path, number: int) -> None:
    killed_and_repeated("erase", erasing, tmp_path / "home", erasing.fault(number, seed=2))
