"""The emitter when things go wrong: no broker, no topic, a broker that goes away or comes back."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from contracts.errors import BrokerUnavailable, DeliveryFailed, SettingsError, TerminalError, TopicsMismatch
from contracts.settings import KafkaSettings
from infra.apache_kafka import ApacheKafka
from infra.broker import EmbeddedBroker
from streams import topics
from streams.emitter import Emitter
from tests.brokers import ENGINES, TANSU, need_tansu
from tests.streams import lake_of_events as world

Lost = Callable[..., tuple[Callable[[], None], Emitter]]
MINIMAL: dict[str, Any] = {"request_id": "r1", "feature": "support"}


@pytest.fixture
def settings(any_kafka_settings: Callable[..., KafkaSettings]) -> KafkaSettings:
    made = any_kafka_settings()
    topics.apply(made)
    return made


def test_a_missing_topic_is_named_and_not_created(settings: KafkaSettings) -> None:
    renamed = settings.model_copy(update={"requests_topic": f"absent-{uuid.uuid4().hex[:8]}"})
    with Emitter(settings=renamed, max_block_ms=500) as emitter:
        for _ in range(2):
            with pytest.raises(TopicsMismatch, match=renamed.requests_topic) as raised:
                emitter.request(**MINIMAL)
            assert "topics apply" in (raised.value.hint or "")
        emitter.signal(session_id="s", kind="copy")
    assert emitter.counts().delivered == 1


def test_a_missing_broker_is_one_error_in_time() -> None:
    begun = time.monotonic()
    before = threading.active_count()
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        Emitter("127.0.0.1:1", connect_seconds=1)
    assert time.monotonic() - begun < 10, "the default, not the time that was asked for"
    # A service that tries again and again must not collect threads.
    deadline = time.monotonic() + 3
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before


def test_unknown_producer_options_are_refused(settings: KafkaSettings) -> None:
    with pytest.raises(SettingsError, match="options"):
        Emitter(settings=settings, no_such_option=1)


LIMITS = {"delivery_timeout_ms": 2000, "request_timeout_ms": 1000, "max_block_ms": 1000}


@pytest.fixture
def lost_broker(request: pytest.FixtureRequest) -> Iterator[Lost]:
    """An emitter, and what takes its broker away for ever: events give up after two seconds."""
    with ExitStack() as stack:

        def start(engine: str = TANSU, **options: Any) -> tuple[Callable[[], None], Emitter]:
            if engine == TANSU:
                need_tansu()
                broker = stack.enter_context(EmbeddedBroker())
                servers, end = broker.bootstrap_servers, broker.stop
            else:
                kafka = request.getfixturevalue("own_apache_kafka")()
                servers, end = kafka.bootstrap_servers, kafka.kill
            own = KafkaSettings(bootstrap_servers=servers)
            topics.apply(own)
            return end, Emitter(settings=own, **{**LIMITS, **options})

        yield start


@pytest.mark.parametrize("engine", ENGINES)
def test_undelivered_events_raise_at_the_end(
    engine: str, lost_broker: Lost, caplog: pytest.LogCaptureFixture
) -> None:
    end, emitter = lost_broker(engine)
    with pytest.raises(DeliveryFailed, match="3 of 4 events") as raised, emitter:  # noqa: PT012
        emitter.request(**MINIMAL)
        emitter.flush()
        end()
        with caplog.at_level(logging.ERROR, logger="streams.emitter"):
            for _ in range(3):
                emitter.request(**MINIMAL, prompt="secret words")
            emitter._settle(10)
    assert "first cause: KafkaTimeoutError" in str(raised.value)
    assert raised.value.hint
    assert emitter.counts().delivered == 1
    assert len([r for r in caplog.records if r.name == "streams.emitter"]) == 1
    assert "secret" not in caplog.text
    with pytest.raises(TerminalError, match="closed"):
        emitter.request(**MINIMAL)
    emitter.close()


def test_unsent_events_are_counted_when_time_runs_out(lost_broker: Lost) -> None:
    end, emitter = lost_broker(delivery_timeout_ms=60_000)
    emitter.request(**MINIMAL)
    emitter.flush()
    end()
    emitter.request(**MINIMAL)
    begun = time.monotonic()
    with pytest.raises(DeliveryFailed, match="1 of 2 events are still unsent"):
        emitter.flush(timeout=0.5)
    with pytest.raises(DeliveryFailed, match="1 of 2 events were not delivered"):
        emitter.close(timeout=0.5)
    assert time.monotonic() - begun < 60, "the time of a delivery, not the time that was asked for"


def test_an_exception_in_the_body_is_not_masked(lost_broker: Lost) -> None:
    end, emitter = lost_broker()
    with pytest.raises(ZeroDivisionError) as raised, emitter:  # noqa: PT012
        emitter.request(**MINIMAL)
        emitter.flush()
        end()
        emitter.request(**MINIMAL)
        raise ZeroDivisionError
    assert any("not delivered" in note for note in raised.value.__notes__)


def test_a_broker_that_dies_and_comes_back_has_every_event_once(
    own_apache_kafka: Callable[..., ApacheKafka],
) -> None:
    kafka = own_apache_kafka()
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, partitions=2)
    topics.apply(own)
    with Emitter(settings=own) as emitter:

        def send(first: int) -> None:
            for n in range(first, first + 100):
                emitter.request(request_id=f"r{n}", session_id=f"s{n}", feature="support")

        send(0)  # not flushed: some of these are on their way when it dies
        kafka.kill()
        send(100)
        kafka.restart()
        send(200)
    assert emitter.counts().delivered == 300
    found = world.consume_all(own, own.requests_topic, 300)
    assert sorted(m.key().decode() for m in found) == sorted(f"s{n}" for n in range(300))
