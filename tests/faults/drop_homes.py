"""Homes on which drops are published and people erased, with and without kills."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.curation.dialogues import edited, regenerated, turned_out
from tests.curation.erasure.world import World
from tests.factories import consent_event
from tests.faults import drop_state
from tests.faults.drop_children import USER, Ended, Fault, run
from tests.faults.drop_state import State, nothing_half_visible

ANNA: Final = USER.removeprefix("user-")


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
    """Run a program on a copy of a home."""
    shutil.copytree(before, after)
    ended = run(program, after)
    assert ended.answer
    return Undisturbed(before, after, ended, drop_state.state(after))


def publishing_in(folder: Path) -> Undisturbed:
    """A home with a drop, and events for the next one."""
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


def erasing_in(folder: Path, publishing: Undisturbed) -> Undisturbed:
    """A home with two drops that hold the person."""
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
