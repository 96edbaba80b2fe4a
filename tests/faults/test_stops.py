"""A worker that is told to stop ends cleanly, whatever its background threads are inside of."""

from __future__ import annotations

from pathlib import Path

from contracts.settings import LakeSettings
from sinks.maintenance import Maintenance
from tests.brokers import Make
from tests.factories import START_US
from tests.faults.world import CHUNK, PARTITIONS, World

LATER_US = START_US + 10 * 86_400_000_000


def test_a_stop_during_a_merge(apache_kafka_settings: Make, tmp_path: Path) -> None:
    # Cut off while deltalake works; an ordinary exit of the interpreter crashes in most of these.
    cut_off = {"MAINTENANCE_END_S": 0.0}
    world = World(
        apache_kafka_settings(partitions=PARTITIONS),
        tmp_path / "w",
        options={"join_worker": cut_off, "merges_endlessly": True},
    )
    for _ in range(2):
        with world.worker() as worker:
            while not worker.says("seen", {}).get("merge"):
                done = worker.says("checkpoints")
                world.feeder.feed(CHUNK)
                worker.wait_until(lambda w, done=done: w.says("checkpoints") > done, "a checkpoint")  # type: ignore[misc]
            assert worker.stop() == 0, worker.log[-3000:]
            assert "maintenance of the lake is cut off" in worker.log
    world.finish()
    world.check()
    before = world.contents()
    report = Maintenance(world.lake, LakeSettings()).run(LATER_US, 600.0)
    assert report.merged
    assert not report.skipped
    assert all(merged.files_after == 1 for merged in report.merged)
    assert all(rows.equals(before[name]) for name, rows in world.contents().items())
