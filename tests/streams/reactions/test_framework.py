"""How the app uses Faust: only what holds, and none of the defaults that do harm."""

from __future__ import annotations

import ast
import asyncio
import inspect
from pathlib import Path

import faust
import pytest
from confluent_kafka.admin import AdminClient
from faust.tables.wrappers import WindowWrapper

import streams
from contracts.settings import KafkaSettings, Settings
from sinks.lake import Lake
from streams.identity import Identity
from streams.reactions.app import BUFFER, ReactionsApp, create_app

SOURCES = sorted(Path(streams.__path__[0]).rglob("*.py"))

OF_A_STREAM = frozenset({"events", "noack_take", "ack"})
"""What an agent may use of its stream. Not `take` (acknowledges what was not processed, and tables cannot be
written in it), not `join` and the like (not implemented)."""

WINDOWS = frozenset(
    {"tumbling", "hopping", "using_window", "relative_to", "relative_to_now", "relative_to_field"}
)
"""Ways to a windowed table; those do not expire as documented."""


def app_for(settings: Settings) -> ReactionsApp:
    return create_app(settings, lake=Lake(settings.lake_root), identity=Identity(b"test", held_out_share=0.0))


@pytest.fixture
def app(tmp_path: Path) -> ReactionsApp:
    kafka = KafkaSettings(bootstrap_servers="one:9092,two:9092", partitions=3, replication_factor=2)
    return app_for(Settings(home=tmp_path, kafka=kafka))


def test_no_agent_has_more_than_one_coroutine(app: ReactionsApp) -> None:
    """With more, a commit passes events that another coroutine still works on."""
    assert len(app.agents) >= 3
    assert {name: agent.concurrency for name, agent in app.agents.items() if agent.concurrency != 1} == {}


def test_agents_use_of_their_streams_what_holds(app: ReactionsApp) -> None:
    for agent in app.agents.values():
        assert next(iter(inspect.signature(agent.fun).parameters)) == "stream", agent.name
    used = {
        (path.name, node.attr)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "stream"
    }
    reactions = {path.name for path in SOURCES if path.parent.name == "reactions"}
    used = {(name, attribute) for name, attribute in used if name in reactions}
    assert {attribute for _, attribute in used} <= OF_A_STREAM
    assert ("judge_agent.py", "noack_take") in used


def test_no_table_is_windowed(app: ReactionsApp) -> None:
    assert len(app.tables) >= 1
    assert not any(isinstance(table, WindowWrapper) for table in app.tables.values())
    found = {
        (path.name, node.attr)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in WINDOWS
    }
    assert found == set()


def test_faust_still_refuses_table_writes_outside_of_events(app: ReactionsApp) -> None:
    """In `take` and timers too. The consent table is exempt, as it leaves the partition to the producer; its
    agent takes events one by one all the same."""
    with pytest.raises(TypeError, match="outside of stream iteration"):
        app.Table("plain", partitions=1)["user/training"] = {"granted": True}
    assert app.tables["consents"].use_partitioner


def test_delivery_is_at_least_once_and_acknowledged_by_us(app: ReactionsApp) -> None:
    """Exactly-once mode is not reliable; our writes can be repeated instead."""
    assert app.conf.processing_guarantee is faust.types.enums.ProcessingGuarantee.AT_LEAST_ONCE
    assert not app.in_transaction
    assert not app.conf.stream_wait_empty


def test_the_broker_is_kafka_and_nothing_else(app: ReactionsApp) -> None:
    assert [str(url) for url in app.conf.broker] == ["kafka://one:9092", "kafka://two:9092"]
    with pytest.raises(ModuleNotFoundError):
        _ = faust.App("no-such-transport", broker="memory://").transport


def test_buffers_are_bounded_by_our_number(app: ReactionsApp) -> None:
    """Faust's own is 4096 events per stream: of interactions, tens of MB for every agent."""
    assert app.conf.stream_buffer_maxsize == BUFFER < faust.App("defaults").conf.stream_buffer_maxsize
    for agent in app.agents.values():
        assert agent.channel.clone(is_iterator=True).queue.maxsize == BUFFER, agent.name


def test_topics_that_faust_creates_have_our_shape(place: Settings, tmp_path: Path) -> None:
    """Not Faust's eight partitions: with another number than ours its changelogs would not line up."""
    kafka = place.kafka.model_copy(update={"partitions": 3})

    async def declare() -> None:
        app = app_for(place.model_copy(update={"kafka": kafka, "home": tmp_path}))
        producer = await app.maybe_start_producer()
        await app.topic("made-by-faust").declare()
        await producer.stop()

    asyncio.run(declare())
    made = AdminClient({"bootstrap.servers": place.kafka.bootstrap_servers}).list_topics(timeout=20).topics
    assert len(made["made-by-faust"].partitions) == 3
    assert {len(p.replicas) for p in made["made-by-faust"].partitions.values()} == {1}


def test_replicas_are_asked_for_as_set(app: ReactionsApp) -> None:
    assert (app.conf.topic_partitions, app.conf.topic_replication_factor) == (3, 2)


def test_the_environment_overrules_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust reads variables such as WEB_BIND, which a platform may set for something else."""
    for name, value in {
        "WEB_BIND": "0.0.0.0",
        "WEB_PORT": "1",
        "BROKER_URL": "kafka://elsewhere",
        "PROCESSING_GUARANTEE": "exactly_once",
        "STREAM_BUFFER_MAXSIZE": "7",
        "TOPIC_PARTITIONS": "8",
    }.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(f"FAUST_{name}", value)
    conf = app_for(Settings(home=tmp_path)).conf
    assert (conf.web_bind, conf.web_port) == ("127.0.0.1", 6066)
    assert [url.host for url in conf.broker] == ["127.0.0.1"]
    assert (conf.stream_buffer_maxsize, conf.topic_partitions) == (BUFFER, 4)
    assert conf.processing_guarantee is faust.types.enums.ProcessingGuarantee.AT_LEAST_ONCE
