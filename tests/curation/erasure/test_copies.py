"""Copies of drops outside: an erasure cannot reach them, so it names them."""

from __future__ import annotations

from pathlib import Path

from curation.erasure.plan import plan
from sinks import audits
from sinks.push.destination import parse
from sinks.push.run import prepare, push
from sinks.push.target import Options
from sinks.push.targets import target_for
from tests.curation.dialogues import edited
from tests.curation.erasure.world import World, subject


def pushed(world: World, drop_id: str, where: Path) -> None:
    parcel, place = prepare(world.lake, world.settings.drops_root, drop_id), parse(str(where))
    push(world.lake, parcel, place, target_for(world.settings, place, Options()))


def test_copies_of_every_drop_that_held_the_person_are_named(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    for name in ("anna-0001", "bert-0002", "cleo-0003"):
        world.ingest(edited(name))
    first = world.drop().drop_id
    pushed(world, first, tmp_path / "outside")
    seen = plan(world.place(), subject("user-anna-0001"))
    assert [copy["drop_id"] for copy in seen.copies] == [first]

    anna = world.erase("user-anna-0001").certificate
    second = anna["drops"][first]["successor"]
    (copy,) = anna["copies_outside"]
    assert (copy["drop_id"], copy["destination"], copy["whole"]) == (first, str(tmp_path / "outside"), True)
    assert any("copies_outside" in line for line in anna["not_covered"])
    assert [c["drop_id"] for c in audits.user(world.lake, world.key("user-anna-0001"))["copies"]] == [first]

    # Bert was in the first drop too, though only its successor is in force by now.
    pushed(world, second, tmp_path / "elsewhere")
    held = {(c["drop_id"], c["destination"]) for c in
            audits.user(world.lake, world.key("user-bert-0002"))["copies"]}  # fmt: skip
    expected = {(first, str(tmp_path / "outside")), (second, str(tmp_path / "elsewhere"))}
    assert held == expected
    bert = world.erase("user-bert-0002").certificate
    assert {(c["drop_id"], c["destination"]) for c in bert["copies_outside"]} == expected
    again = world.erase("user-bert-0002")
    assert again.again
    assert len(again.certificate["copies_outside"]) == 2
