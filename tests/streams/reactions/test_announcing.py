"""Drops on `tailrace.drops`: whoever published them, each once, and what was superseded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contracts.errors import LakeUnavailable
from contracts.settings import Settings
from contracts.tables import frame_schema
from curation.erasure.place import Place
from curation.erasure.run import erase
from sinks.drops.marks import mark_superseded
from sinks.lake import Lake
from sinks.nightly_runs import CLAIMED, PUBLISHED, Run, claim, end
from sinks.transactions import append_once
from streams.identity import Identity
from streams.reactions import announcing
from streams.reactions.announcing import Announcements
from streams.reactions.app import REACTIONS, create_app
from tests.curation.dialogues import edited
from tests.curation.erasure.world import IDENTITY, World, subject
from tests.lakes import new_lake
from tests.stores.drops import published_drop
from tests.streams.reactions.watching import NIGHT, heard

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@asynccontextmanager
async def announcers(settings: Settings, number: int = 1) -> AsyncIterator[list[Announcements]]:
    """What looks at the registry in a worker, with a producer that reaches the broker."""
    made, producers = [], []
    for _ in range(number):
        lake = Lake(settings.lake_root)
        identity = Identity(b"test", held_out_share=0.0)
        app = create_app(settings, lake=lake, identity=identity, roles=frozenset({REACTIONS}))
        producers.append(await app.maybe_start_producer())
        made.append(Announcements(app, lake, settings.drops_root, clock=lambda: NOW))
    try:
        yield made
    finally:
        for producer in producers:
            await producer.stop()


def with_announcers(settings: Settings, act: Callable[..., Awaitable[Any]], *, number: int = 1) -> Any:
    async def go() -> Any:
        async with announcers(settings, number) as made:
            return await act(*made)

    return asyncio.run(go())


@pytest.fixture
def home(place: Settings, tmp_path: Path) -> Settings:
    new_lake(tmp_path / "lake")
    return place.model_copy(update={"home": tmp_path})


def messages(settings: Settings) -> list[tuple[str, dict[str, Any]]]:
    """What was said of this deployment's drops."""
    return heard(settings, lambda value: str(settings.drops_root) in value["path"])


def replace_drop(lake: Lake, old: str, new: str, at: datetime = NOW) -> None:
    mark_superseded(lake, old, new, reason="erasure", removed_rows=3, models=["tuned-1"], now=at)


def test_every_drop_is_announced_once_whoever_published_it(home: Settings) -> None:
    lake = Lake(home.lake_root)
    first, second = (published_drop(lake, home.drops_root, n) for n in (1, 2))

    async def act(one: Announcements, other: Announcements) -> list[int]:
        counts = [await one.sweep(), await other.sweep(), await one.sweep()]
        published_drop(lake, home.drops_root, 3, channel="support")
        return [*counts, await other.sweep(), await one.sweep()]

    # The second finds everything noted in the lake.
    assert with_announcers(home, act, number=2) == [2, 0, 0, 1, 0]
    said = messages(home)
    assert sorted(value["drop_id"] for _, value in said) == sorted(lake.scan("drops").collect()["drop_id"])
    by_id = dict(said)
    row = lake.scan("drops").filter(drop_id=second).collect().row(0, named=True)
    assert by_id[second] == {
        "event": "published",
        "drop_id": second,
        "channel": "default",
        "path": str(home.drops_root / second),
        "counts": {"preference": 1, "unpaired": 1, "quarantined": 1},
        "manifest_sha256": row["manifest_sha256"],
        "supersedes": None,
    }
    assert [value["drop_id"] for _, value in said if value["channel"] == "default"] == [first, second]


def test_drops_of_older_releases_are_not_announced_but_what_replaces_them_is(home: Settings) -> None:
    lake = Lake(home.lake_root)
    old = published_drop(lake, home.drops_root, 1)
    rows = lake.scan("drops").collect().with_columns(to_announce=pl.lit(None, dtype=pl.Boolean))
    more = rows.with_columns(drop_id=pl.lit("ancient"), sequence=pl.lit(None, dtype=pl.Int64))
    lake.table("drops").delete()
    append_once(lake, "drops", pl.concat([rows, more]).select(list(frame_schema("drops"))), batch_id="old")

    async def nothing(one: Announcements) -> int:
        return await one.sweep()

    assert with_announcers(home, nothing) == 0
    new = published_drop(lake, home.drops_root, 2)
    replace_drop(lake, old, new)
    assert with_announcers(home, nothing) == 2
    (first_id, first), (second_id, second) = messages(home)
    assert (first_id, first["event"], first["supersedes"]) == (new, "published", old)
    assert second_id == f"{old}/superseded"
    assert {
        name: second[name] for name in ("event", "drop_id", "superseded_by", "removed_rows", "models")
    } == {
        "event": "superseded",
        "drop_id": old,
        "superseded_by": new,
        "removed_rows": 3,
        "models": ["tuned-1"],
    }
    assert second["path"] == str(home.drops_root / new)


def test_an_erasure_in_the_console_reaches_consumers(home: Settings) -> None:
    world = World(home.home / "people")
    world.ingest(edited("anna-0001") + edited("bert-0002"))
    settings = home.model_copy(update={"home": world.home})
    old = world.drop().drop_id
    done = erase(Place(world.lake, world.settings, IDENTITY), subject("user-anna-0001"))
    new = done.certificate["drops"][old]["successor"]

    async def act(one: Announcements) -> int:
        return await one.sweep()

    assert with_announcers(settings, act) == 2
    said = messages(settings)
    # Nobody had heard of the old drop, and its files are gone.
    assert [(value["event"], value["drop_id"]) for _, value in said] == [
        ("published", new),
        ("superseded", old),
    ]
    assert "anna" not in str(said)
    assert done.erasure_id not in str(said)


def test_a_notice_that_could_not_be_noted_is_repeated_with_its_id(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(home.lake_root)
    drop = published_drop(lake, home.drops_root)

    def away(*_: Any) -> None:
        raise LakeUnavailable("the disk is away")

    async def act(one: Announcements) -> int:
        with monkeypatch.context() as broken:
            broken.setattr(announcing, "note", away)
            with pytest.raises(LakeUnavailable):
                await one.sweep()
        return await one.sweep()

    assert with_announcers(home, act) == 1
    said = messages(home)
    assert [identifier for identifier, _ in said] == [drop, drop]
    assert said[0] == said[1]


def test_the_drop_of_a_night_under_way_is_left_to_its_build(home: Settings) -> None:
    lake = Lake(home.lake_root)
    drop = published_drop(lake, home.drops_root, scheduled_for=NIGHT)
    run = Run(NIGHT, "default", 1, CLAIMED, False, "other", NOW - timedelta(minutes=5))
    assert claim(lake, run)

    async def act(one: Announcements) -> list[int]:
        before = [await one.sweep(), await one.sweep()]
        end(lake, Run(NIGHT, "default", 1, PUBLISHED, True, "other", NOW, drop_id=drop))
        return [*before, await one.sweep()]

    assert with_announcers(home, act) == [0, 0, 1]


def test_a_night_that_fell_silent_long_ago_holds_up_nothing(home: Settings) -> None:
    lake = Lake(home.lake_root)
    published_drop(lake, home.drops_root, scheduled_for=NIGHT)
    assert claim(lake, Run(NIGHT, "default", 1, CLAIMED, False, "dead", NOW - timedelta(hours=2)))

    async def act(one: Announcements) -> int:
        return await one.sweep()

    assert with_announcers(home, act) == 1
