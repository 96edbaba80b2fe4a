"""The join worker while the key of the pseudonyms is replaced under its hands."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from contracts.pseudonyms import version_of
from curation.rekeying.rotate import Rotated, is_settled, rotate
from sinks.accounting import account
from sinks.lake import Lake
from streams.identity import Identity
from streams.join_worker import JoinWorker
from tests.brokers import Make
from tests.streams.lake_of_events import create_topics, produce, settings_for, traffic

USERS = {"u0", "u1", "u2", "u3", "u4", "u5", "u6"}


def test_a_worker_follows_the_key_between_two_steps_of_a_checkpoint(
    kafka_settings: Make, tmp_path: Path
) -> None:
    kafka = kafka_settings()
    settings = settings_for(kafka, tmp_path / "home")
    keys = [b"key"]

    def identity() -> Identity:
        return Identity(keys, held_out_share=0.1, seed=settings.curation.seed)

    lake = Lake(settings.lake_root, hashes=identity)
    lake.create()
    create_topics(kafka)
    events = traffic(sessions=8)
    produce(kafka, events)
    mine = identity()
    rotated: list[Rotated] = []

    def rotate_once(step: str) -> None:
        # Requests of this checkpoint are stored, its interactions are not, and windows are open.
        if step == "outputs" and not rotated and lake.scan("requests").select(pl.len()).collect().item():
            keys.append(b"another key")
            rotated.append(rotate(Lake(settings.lake_root, hashes=identity), identity(), settings))

    worker = JoinWorker(settings, lake, mine, on_step=rotate_once)
    worker.run(drain=True)
    assert rotated[0].rows["requests"] > 0
    assert mine.version == 2
    assert is_settled(lake, 2)
    expected = {identity().user_key(user) for user in USERS}
    for name in ("requests", "interactions"):
        found = set(lake.scan(name).collect()["user_key"].drop_nulls())
        assert found == expected
        assert {version_of(key) for key in found} == {2}
    # Every event once, and every request joined, as without a rotation.
    counted = account(lake, horizon_us=settings.join.horizon_us)
    assert counted.consumed == len(events)
    assert counted.pending == 0
    assert lake.interactions().collect().height == 24
    first = Identity(b"key", held_out_share=0.1)
    splits = dict(lake.interactions().select("user_key", "split").collect().iter_rows())
    assert splits == {identity().user_key(user): first.split(user) for user in USERS}
