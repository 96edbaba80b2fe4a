"""A worker does not go on into an empty lake where another one has the events before: nothing is split."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from contracts.errors import TerminalError
from contracts.settings import KafkaSettings
from sinks.lake import Lake
from streams.fresh_lake import check_fresh_lake
from streams.identity import Identity
from streams.join_worker import JoinWorker
from tests.brokers import Make
from tests.console.commands import answer, one_clear_line, tailrace
from tests.streams import lake_of_events as world


def filled(kafka: KafkaSettings, home: Path) -> Lake:
    """A lake with some sessions, all read and settled."""
    world.create_topics(kafka)
    world.produce(kafka, world.traffic(5))
    lake = Lake(home / "lake")
    check_fresh_lake(kafka, lake)
    assert not Path(lake.root).exists()
    lake.create()
    world.run(world.settings_for(kafka, home), lake)
    return lake


def test_an_empty_lake_is_refused_until_the_group_begins_again(
    any_kafka_settings: Make, tmp_path: Path
) -> None:
    kafka = any_kafka_settings()
    lake = filled(kafka, tmp_path)
    check_fresh_lake(kafka, lake)
    with pytest.raises(TerminalError, match="holds events already"):
        check_fresh_lake(kafka, lake, begin_again=True)

    mounted, away = Path(lake.root), tmp_path / "away"
    mounted.rename(away)
    with pytest.raises(TerminalError, match="no events in the lake") as refused:
        check_fresh_lake(kafka, lake)
    assert "mounted" in str(refused.value.hint)
    assert not mounted.exists()
    # A worker of an older version may have made the tables there.
    lake.create()
    with pytest.raises(TerminalError, match="no events in the lake"):
        check_fresh_lake(kafka, lake)

    check_fresh_lake(kafka, lake, begin_again=True)
    check_fresh_lake(kafka, lake)
    world.run(world.settings_for(kafka, tmp_path), lake)
    for name, rows in world.contents(Lake(away)).items():
        assert world.contents(lake)[name].equals(rows), name


def test_it_does_not_begin_again_under_the_feet_of_a_running_worker(
    apache_kafka_settings: Make, tmp_path: Path
) -> None:
    kafka = apache_kafka_settings()
    filled(kafka, tmp_path)
    away = Lake(tmp_path / "away")
    away.create()
    worker = JoinWorker(world.settings_for(kafka, tmp_path), away, Identity(b"key", held_out_share=0))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        assert world.eventually(lambda: worker.stats.partitions > 0)
        with pytest.raises(TerminalError, match="while workers of it are running"):
            check_fresh_lake(kafka, Lake(tmp_path / "new"), begin_again=True)
    finally:
        worker.stop()
        thread.join(60)
    assert not thread.is_alive()


def test_the_command_says_so_and_can_be_told_to(kafka_settings: Make, tmp_path: Path) -> None:
    kafka = kafka_settings()
    filled(kafka, tmp_path)
    environment = {
        "TAILRACE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "TAILRACE_KAFKA__GROUP_ID": kafka.group_id,
        "TAILRACE_KAFKA__PARTITIONS": str(world.PARTITIONS),
        "TAILRACE_KAFKA__SESSION_TIMEOUT_MS": "6000",
        "TAILRACE_JOIN__IDLE_SECONDS": "1",
        **{
            f"TAILRACE_KAFKA__{kind.upper()}_TOPIC": world.topic_of(kafka, kind)
            for kind in ("requests", "signals", "outcomes", "consents")
        },
    }
    command = ("worker", "--drain", "--json", "--home", "new")
    assert "no events in the lake" in one_clear_line(tailrace(*command, cwd=tmp_path, **environment))
    assert not (tmp_path / "new" / "lake").exists()
    drained = answer(tailrace(*command, "--new-lake", cwd=tmp_path, **environment))
    assert drained["interactions"] == 15
