"""The scheduled drop: one per night whoever builds it, made up for, retried, announced once."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import LakeUnavailable, SettingsError
from contracts.settings import NightlySettings, Settings
from curation.nightly import make_drop
from sinks import nightly_runs
from sinks.drops.manifest import MANIFEST_FILE, read_manifest, sha256
from sinks.lake import Lake
from sinks.nightly_runs import CLAIMED, FAILED, PUBLISHED, RUNNING, UNCHANGED, Run, claim, read_runs
from streams.identity import Identity
from streams.reactions import nightly as module
from streams.reactions.app import create_app
from tests.lakes import ingest
from tests.streams.reactions.watching import NIGHT, Time, Watcher, announced, failure, home_with, watchers


def registered(settings: Settings) -> list[dict[str, Any]]:
    return Lake(settings.lake_root).scan("drops").sort("as_of").collect().to_dicts()


def states(settings: Settings) -> list[tuple[int, str]]:
    """Attempts at `NIGHT` and how they ended or stand, in order."""
    runs = [run for run in read_runs(Lake(settings.lake_root), "default") if run.night == NIGHT]
    return [(run.attempt, run.state) for run in runs if run.state not in (CLAIMED, RUNNING)]


def test_several_workers_make_one_drop_announced_once(place: Settings, tmp_path: Path) -> None:
    settings = home_with(place, tmp_path, *(f"r{n}" for n in range(6)))

    async def night() -> list[dict[str, int]]:
        async with watchers(settings, settings, settings, time=Time()) as workers:
            await asyncio.gather(*(worker.tick() for worker in workers))
            assert [await worker.tick() for worker in workers] == ["rest"] * 3
            return [worker.results() for worker in workers]

    counted = asyncio.run(night())
    assert sorted(counted, key=len) == [{}, {}, {PUBLISHED: 1}]
    (drop,) = registered(settings)
    assert drop["scheduled_for"] == NIGHT
    assert states(settings) == [(1, PUBLISHED)]
    (message,) = announced(settings, drop)
    folder = settings.drops_root / drop["path"]
    assert message["manifest_sha256"] == sha256(folder / MANIFEST_FILE)
    assert message["path"] == str(folder)


def test_a_drop_holds_what_happened_before_its_night_whenever_it_is_built(
    place: Settings, tmp_path: Path
) -> None:
    settings = home_with(place, tmp_path, "r1", "r2")
    lake = Lake(settings.lake_root)
    ingest(lake, failure("after", seconds=86_400), first_offset=90)
    time = Time(NIGHT + timedelta(hours=20))

    async def nights() -> None:
        async with watchers(settings, time=time) as (worker,):
            await worker.tick()
            time.pass_by(days=1)
            await worker.tick()
            time.pass_by(days=1)
            await worker.tick()
            assert worker.results() == {PUBLISHED: 2, UNCHANGED: 1}

    asyncio.run(nights())
    first, second = registered(settings)
    seen = [read_manifest(settings.drops_root / d["path"])["funnel"][0]["in"] for d in (first, second)]
    assert seen == [2, 3]
    assert first["as_of"] < NIGHT < second["as_of"]
    # Nothing happened before the third night: no second copy of the same data, and no second announcement.
    assert len(announced(settings, second)) == 1
    (idle,) = (run for run in read_runs(lake, "default") if run.state == UNCHANGED)
    assert idle.drop_id == second["drop_id"]


def test_a_night_without_any_event_is_no_failure(place: Settings, tmp_path: Path) -> None:
    settings = home_with(place, tmp_path)

    async def night() -> None:
        async with watchers(settings, time=Time()) as (worker,):
            await worker.tick()
            assert worker.results() == {UNCHANGED: 1}

    asyncio.run(night())
    assert registered(settings) == []


def test_a_dead_workers_night_is_taken_over_once_it_is_silent(place: Settings, tmp_path: Path) -> None:
    settings = home_with(place, tmp_path, "r1", heartbeat_seconds=30)
    time = Time()
    assert claim(Lake(settings.lake_root), Run(NIGHT, "default", 1, CLAIMED, False, "dead", time.now))

    async def night() -> None:
        async with watchers(settings, time=time) as (worker,):
            assert await worker.tick() == "rest"
            time.pass_by(seconds=119)
            assert await worker.tick() == "rest"
            time.pass_by(seconds=2)
            assert await worker.tick() == "build"

    asyncio.run(night())
    assert states(settings) == [(1, FAILED), (2, PUBLISHED)]
    (dead,) = (run for run in read_runs(Lake(settings.lake_root), "default") if run.state == FAILED)
    assert dead.detail == "worker dead fell silent"


def test_a_worker_that_comes_back_from_the_dead_publishes_nothing(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held between its last check and the commit of the registry row, on a machine of its own, with
    settings that make another drop."""
    settings = home_with(place, tmp_path, "r1", "r2")
    odd = settings.curation.model_copy(update={"failure_threshold": 0.51})
    lake_settings = settings.lake.model_copy(update={"drops_root": str(tmp_path / "elsewhere")})
    zombies = settings.model_copy(update={"curation": odd, "lake": lake_settings})
    reached, go_on = threading.Event(), threading.Event()

    def held(lake: Lake, root: Path, settings: Settings, *args: Any, step: Any, **options: Any) -> Any:
        def hold(name: str) -> None:
            step(name)
            if root == zombies.drops_root and name == "moved":
                reached.set()
                assert go_on.wait(60)

        return make_drop(lake, root, settings, *args, step=hold, **options)

    monkeypatch.setattr(module, "make_drop", held)
    time = Time()

    async def night() -> None:
        async with watchers(zombies, settings, time=time) as (zombie, other):
            building = asyncio.ensure_future(zombie.tick())
            while not reached.is_set():
                await asyncio.sleep(0.01)
            assert await other.tick() == "rest"
            time.pass_by(seconds=121)
            assert await other.tick() == "build"
            go_on.set()
            await building
            assert other.results() == {PUBLISHED: 1}
            assert zombie.results() == {"overtaken": 1}

    asyncio.run(night())
    (drop,) = registered(settings)
    assert drop["config_hash"] == read_manifest(settings.drops_root / drop["path"])["config_hash"]
    assert states(settings) == [(1, FAILED), (2, PUBLISHED)]
    assert len(announced(settings, drop)) == 1
    assert [path for path in zombies.drops_root.iterdir() if path.is_dir()] == []


def test_what_a_crash_left_to_do_after_publishing_is_done(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drop is registered, then nothing works any more: neither announcement nor the note of the end."""
    settings = home_with(place, tmp_path, "r1")
    time = Time()

    def down(*_: Any, **__: Any) -> Any:
        raise LakeUnavailable("the machine is gone")

    async def night() -> None:
        async with watchers(settings, settings, time=time) as (first, second):
            with monkeypatch.context() as broken:
                broken.setattr(first.nightly._announcements, "announce", down)
                broken.setattr(nightly_runs, "end", down)
                with pytest.raises(LakeUnavailable):
                    await first.tick()
            (before,) = registered(settings)
            # Events that came meanwhile would make another drop.
            ingest(Lake(settings.lake_root), failure("late", seconds=60), first_offset=90)
            assert await second.tick() == "rest"
            time.pass_by(seconds=121)
            monkeypatch.setattr(module, "make_drop", down)  # nothing is built again
            assert await second.tick() == "build"
            assert registered(settings) == [before]
            assert len(announced(settings, before)) == 1

    asyncio.run(night())
    assert states(settings) == [(1, FAILED), (2, PUBLISHED)]


def test_failures_of_the_outside_are_tried_again_and_given_up_in_the_end(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = home_with(place, tmp_path, "r1", max_attempts=3)
    time = Time()

    def away(*_: Any, **__: Any) -> Any:
        raise LakeUnavailable("the disk is away")

    monkeypatch.setattr(module, "make_drop", away)

    async def night() -> None:
        async with watchers(settings, time=time) as (worker,):
            for pause in (1, 2):
                assert await worker.tick() == "build"
                assert await worker.tick() == "rest"
                time.pass_by(minutes=pause)
            assert await worker.tick() == "build"
            time.pass_by(hours=5)
            assert await worker.tick() == "rest"
            assert worker.results() == {FAILED: 3}
            shown = worker.nightly.overview
            assert shown is not None
            assert shown.last is not None
            assert (shown.failed_attempts, shown.last.state, shown.last.final) == (3, FAILED, True)
            assert shown.last.detail == "the disk is away"
            assert shown.last_success is None

    asyncio.run(night())


def test_what_a_person_must_mend_is_not_tried_again(place: Settings, tmp_path: Path) -> None:
    settings = home_with(place, tmp_path, "r1")
    bad = settings.model_copy(
        update={"curation": settings.curation.model_copy(update={"weights": str(tmp_path / "missing.json")})}
    )
    time = Time()

    async def night() -> None:
        async with watchers(bad, time=time) as (worker,):
            assert await worker.tick() == "build"
            time.pass_by(hours=3)
            assert await worker.tick() == "rest"
            assert worker.results() == {FAILED: 1}

    asyncio.run(night())
    assert states(settings) == [(1, FAILED)]


def test_a_build_sends_heartbeats_that_everybody_sees(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = home_with(place, tmp_path, "r1", heartbeat_seconds=0.05)
    go_on = threading.Event()

    def held(*args: Any, **options: Any) -> Any:
        assert go_on.wait(60)
        return make_drop(*args, **options)

    monkeypatch.setattr(module, "make_drop", held)

    def running(watcher: Watcher) -> bool:
        shown = watcher.nightly.overview
        return shown is not None and shown.last is not None and shown.last.state == RUNNING

    async def night() -> None:
        async with watchers(settings, settings, time=Time()) as (builder, other):
            building = asyncio.ensure_future(builder.tick())
            while not running(builder):
                await asyncio.sleep(0.01)
            while not running(other):
                assert await other.tick() == "rest"
            go_on.set()
            await building
            assert await other.tick() == "rest"
            assert not running(builder)
            assert not running(other)

    asyncio.run(night())
    assert states(settings) == [(1, PUBLISHED)]


def test_a_stopped_worker_leaves_its_night_to_the_next_at_once(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = home_with(place, tmp_path, "r1")
    time = Time()
    reached, go_on = threading.Event(), threading.Event()

    def slow(*_: Any, **__: Any) -> Any:
        reached.set()
        assert go_on.wait(60)
        raise LakeUnavailable("stopped")

    async def night() -> None:
        async with watchers(settings, settings, time=time) as (first, second):
            with monkeypatch.context() as patched:
                patched.setattr(module, "make_drop", slow)
                building = asyncio.ensure_future(first.tick())
                while not reached.is_set():
                    await asyncio.sleep(0.01)
                building.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await building
            go_on.set()
            time.pass_by(minutes=1)
            assert await second.tick() == "build"

    asyncio.run(night())
    assert states(settings) == [(1, FAILED), (2, PUBLISHED)]


def test_a_schedule_that_is_no_cron_expression_is_refused(place: Settings) -> None:
    bad = place.model_copy(update={"nightly": NightlySettings(enabled=True, cron="at night")})
    with pytest.raises(SettingsError, match=r"nightly\.cron"):
        create_app(bad, lake=Lake(place.lake_root), identity=Identity(b"test", held_out_share=0.0))
