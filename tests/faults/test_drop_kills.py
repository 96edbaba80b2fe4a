"""A process that is killed while it publishes a drop or erases a person: nothing is half-visible, ever.

Each kill is a SIGKILL of a real process, which works on a home of its own: after every named step; before a
file changes, drawn from all changes that Python makes; and at some time, from outside. After it a reader that
knows nothing looks at everything, and another process does the work again: it must end as the one that nobody
disturbed, byte for byte.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.curation.dialogues import edited, regenerated, turned_out
from tests.curation.erasure.world import World
from tests.factories import consent_event
from tests.faults import drop_state
from tests.faults.drop_children import USER, Ended, Fault, run
from tests.faults.drop_state import State, nothing_half_visible

ANNA = USER.removeprefix("user-")
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


@dataclass(frozen=True)
class Undisturbed:
    """A home before, and what a run on it comes to that nobody disturbs."""

    before: Path
    after: Path
    ended: Ended
    state: State

    def fault(self, number: int, *, seed: int) -> Fault:
        """One of the kills at random: before a change of a file, or at some time."""
        dice = Random(f"{seed}/{number}")
        if number % 2:
            return Fault(change=dice.randint(1, self.ended.changes))
        return Fault(after=dice.uniform(0.001, self.ended.seconds))


def undisturbed(program: str, before: Path, after: Path) -> Undisturbed:
    shutil.copytree(before, after)
    ended = run(program, after)
    assert ended.answer
    return Undisturbed(before, after, ended, drop_state.state(after))


@pytest.fixture(scope="module")
def publishing(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A home with a drop, and events for the next one."""
    folder = tmp_path_factory.mktemp("publishing")
    world = World(folder / "before")
    for name in (ANNA, "bert-0002"):
        text = f"The capital is Canberra, as everybody who ever met {name} knows."
        world.ingest(edited(name, text=text) + turned_out(name, False))
        world.ingest([("consent", consent_event(f"consent-{name}", user_id=f"user-{name}"))])
    assert run("publish", world.home).answer
    later = regenerated(f"{ANNA}-again", user_id=USER) + edited("cleo-0003")
    world.ingest(
        [(kind, event | {"occurred_at": event["occurred_at"] + 86_400_000}) for kind, event in later]
    )
    return undisturbed("publish", world.home, folder / "after")


@pytest.fixture(scope="module")
def erasing(publishing: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A home with two drops that hold the person."""
    folder = tmp_path_factory.mktemp("erasing")
    shutil.copytree(publishing.after, folder / "before")
    (folder / "before" / "report.html").write_text(f"<p>What {USER} said.</p>")
    return undisturbed("erase", folder / "before", folder / "after")


def killed_and_repeated(program: str, expected: Undisturbed, home: Path, *faults: Fault) -> None:
    """Kill it as often as asked, look at what is left each time, and let it end."""
    shutil.copytree(expected.before, home)
    for fault in faults:
        ended = run(program, home, fault)
        # Only a kill by the clock may come too late.
        assert ended.killed or fault.after, fault
        nothing_half_visible(home, expected.state)
    assert run(program, home).answer == expected.ended.answer
    nothing_half_visible(home, expected.state)
    drop_state.same(drop_state.state(home), expected.state)
    if program == "erase":
        assert drop_state.certificate(home) == drop_state.certificate(expected.after)
    shutil.rmtree(home)


def test_a_few_kills_while_publishing(publishing: Undisturbed, tmp_path: Path) -> None:
    faults = [Fault("rows:preferences"), Fault("registered")]
    killed_and_repeated("publish", publishing, tmp_path / "home", *faults)


def test_a_kill_while_erasing(erasing: Undisturbed, tmp_path: Path) -> None:
    killed_and_repeated("erase", erasing, tmp_path / "home", Fault("marked"))


@pytest.mark.faults
@pytest.mark.parametrize("step", PUBLISH_STEPS)
def test_a_kill_after_a_step_of_publishing(publishing: Undisturbed, tmp_path: Path, step: str) -> None:
    assert set(publishing.ended.steps) == set(PUBLISH_STEPS)
    killed_and_repeated("publish", publishing, tmp_path / "home", Fault(step))


@pytest.mark.faults
@pytest.mark.parametrize("number", range(RANDOM_KILLS))
def test_a_kill_at_random_while_publishing(publishing: Undisturbed, tmp_path: Path, number: int) -> None:
    killed_and_repeated("publish", publishing, tmp_path / "home", publishing.fault(number, seed=1))


@pytest.mark.faults
@pytest.mark.parametrize("step", ERASE_STEPS)
def test_a_kill_after_a_step_of_an_erasure(erasing: Undisturbed, tmp_path: Path, step: str) -> None:
    assert set(ERASE_STEPS) <= set(erasing.ended.steps)
    killed_and_repeated("erase", erasing, tmp_path / "home", Fault(step))


@pytest.mark.faults
@pytest.mark.parametrize("number", range(RANDOM_KILLS))
def test_a_kill_at_random_while_erasing(erasing: Undisturbed, tmp_path: Path, number: int) -> None:
    killed_and_repeated("erase", erasing, tmp_path / "home", erasing.fault(number, seed=2))
