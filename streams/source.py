"""The bulk reader: confluent-kafka's batch `consume` behind the few calls the join worker needs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from contracts.errors import BrokerUnavailable, TerminalError
from contracts.settings import KafkaSettings
from streams.decoding import RawMessage

log = logging.getLogger("tailrace.join")

Place = tuple[str, int]
"""A topic and a partition."""

Known = TypeVar("Known")

ASSIGN_PATIENCE_S: Final = 240.0
"""How long an assignment waits for a broker that does not answer. Below Kafka's `max.poll.interval.ms`
(5 minutes), after which the group would give the places to somebody else."""

TOPIC_PATIENCE_S: Final = 30.0
"""How long a topic may be unknown to the broker before it counts as gone."""

_ASK_AGAIN_S: Final = 0.5
_METADATA_TIMEOUT_S: Final = 10.0
_PREFETCH_KBYTES: Final = 65_536


def join_group(kafka: KafkaSettings) -> str:
    """The consumer group of the join."""
    return f"{kafka.group_id}-join"


class KafkaSource:
    """Consumes the input topics as one member of the join's consumer group.

    Range assignment keeps partition p of every topic on the same worker. `on_assign` gets the
    restart offset of each place; `on_revoke` is called before places are given up, while commits
    for them are still accepted.

    With `kafka.instance_id` the membership is static: closing does not leave the group, so a worker
    that comes back within the session timeout gets the same places and the others notice nothing.
    A worker that stays away keeps its places unread that long.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Iterable[str],
        *,
        on_assign: Callable[[dict[Place, int]], None],
        on_revoke: Callable[[list[Place]], None],
    ) -> None:
        self._positions: dict[Any, Any] = {}
        self._ends: dict[Place, int] = {}
        self._interrupted = threading.Event()
        self._on_assign = on_assign
        self._on_revoke = on_revoke
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka.bootstrap_servers,
                "group.id": join_group(kafka),
                "client.id": "tailrace-join",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "range",
                "session.timeout.ms": kafka.session_timeout_ms,
                "heartbeat.interval.ms": kafka.session_timeout_ms // 6,
                **({"group.instance.id": kafka.instance_id} if kafka.instance_id else {}),
                # Bounds memory while the lake is unavailable and nothing is taken from the queue.
                "queued.max.messages.kbytes": _PREFETCH_KBYTES,
                "queued.min.messages": 100_000,
                "fetch.message.max.bytes": 4 << 20,
                "fetch.queue.backoff.ms": 20,
                **kafka.security,
            },
            logger=logging.getLogger("tailrace.kafka"),
        )
        self._consumer.subscribe(
            list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def poll(self, max_messages: int, timeout_s: float) -> list[RawMessage]:
        """Up to `max_messages` messages, waiting at most `timeout_s`.

        Raises `TerminalError` for errors that no retry cures (authorization, unknown topic, another
        process with the same `kafka.instance_id`).
        """
        result: list[Any] = []
        positions = self._positions
        place: Any = (None, None)
        held = False
        for message in self._consumer.consume(max_messages, timeout_s):
            error = message.error()
            topic, partition = message.topic(), message.partition()
            offset: Any = message.offset()
            # Messages come in runs of one place: what only depends on it is looked up once for each run.
            if partition != place[1] or topic != place[0]:
                place = (topic, partition)
                held = place in positions
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    self._raise_if_terminal(error, topic)
                elif offset > positions.get(place, offset):
                    # The markers of transactional producers take up offsets that no message has.
                    positions[place] = offset
                continue
            # Taken back while this batch was being collected: the new owner reads it.
            if not held:
                continue
            positions[place] = offset + 1
            # Milliseconds; brokers without timestamps report a negative one.
            sent_ms = message.timestamp()[1]
            sent_us = sent_ms * 1000 if sent_ms > 0 else 0
            # A plain tuple in the shape of RawMessage: building the named one costs a microsecond.
            result.append((topic, partition, offset, sent_us, message.key(), message.value()))
        return result

    @property
    def positions(self) -> Mapping[Place, int]:
        """Next offset to read per assigned place."""
        return self._positions

    def at_end(self, place: Place) -> bool:
        """Whether everything the broker is known to hold has been read.

        Tansu reports the base offset of the last batch + 1 as its end, so callers must also wait
        for the place to stay quiet before they trust this.
        """
        end = self._end(place)
        return end is not None and self._positions.get(place, 0) >= end

    def lag(self) -> int:
        """Messages known to be on the broker and not yet read, over all assigned places."""
        return sum(max((self._end(p) or 0) - position, 0) for p, position in self._positions.items())

    def _end(self, place: Place) -> int | None:
        _, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        known = self._ends.get(place)
        if high < 0:
            return known
        return high if known is None else max(known, high)

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit restart offsets and wait for the broker.

        Offsets of places that meanwhile went to another worker are refused by the broker; that is
        harmless, the new owner commits its own.
        """
        if not offsets:
            return
        try:
            self._consumer.commit(
                offsets=[TopicPartition(*place, offset) for place, offset in offsets.items()],
                asynchronous=False,
            )
        except KafkaException as exception:
            error = exception.args[0]
            if error.code() in _LOST_MEMBERSHIP:
                return
            raise BrokerUnavailable(f"offsets could not be committed: {error.str()}") from exception

    def interrupt(self) -> None:
        """End a wait for the broker inside `poll`, which then raises `BrokerUnavailable`; from any thread."""
        self._interrupted.set()

    def close(self) -> None:
        """Leave the group; with `kafka.instance_id`, only go silent."""
        self._consumer.close()

    def _assigned(self, consumer: Any, places: list[TopicPartition]) -> None:
        restart = {}
        committed, bounds = self._patiently(lambda: where_to_start(consumer, places))
        for place, (low, high) in zip(committed, bounds, strict=True):
            key = (place.topic, place.partition)
            restart[key] = place.offset if place.offset > OFFSET_INVALID and place.offset >= 0 else low
            self._ends[key] = high
        self._positions.update(restart)
        self._on_assign(restart)

    def _patiently(self, ask: Callable[[], Known]) -> Known:
        """Ask the broker until it answers: leaders move and brokers restart while partitions are assigned."""
        deadline = time.monotonic() + ASSIGN_PATIENCE_S
        while True:
            try:
                return ask()
            except KafkaException as exception:
                error = exception.args[0]
                self._raise_if_terminal(error, None)
                log.warning("the broker does not tell yet where to start reading: %s", error.str())
                if time.monotonic() > deadline or self._interrupted.wait(_ASK_AGAIN_S):
                    raise BrokerUnavailable(
                        f"the broker did not tell where to start reading: {error.str()}",
                        hint="Start the worker again when the broker is well; nothing is lost.",
                    ) from exception

    def _raise_if_terminal(self, error: KafkaError, topic: str | None) -> None:
        if error.code() in _UNKNOWN_TOPIC:
            # Also said of topics that exist, while a broker starts or leaders move.
            if topic is None or self._exists(topic):
                return
            raise TerminalError(
                f"topic {topic} is not on the broker any more",
                hint="Make it again (`tailrace topics apply`) or correct the kafka.*_topic settings.",
            )
        # The client reports a fenced instance as a plain fatal error; only its text says which.
        if error.code() == KafkaError.FENCED_INSTANCE_ID or "group.instance.id" in error.str():
            raise TerminalError(
                "another process has joined the group as this worker's kafka.instance_id and taken its place",
                hint="Give every running worker its own TAILRACE_KAFKA__INSTANCE_ID, or end this one's twin.",
            )
        if error.code() in _TERMINAL or error.fatal():
            raise TerminalError(
                f"the broker refuses to serve us: {error.str()}",
                hint="Check the kafka.security settings and the rights (ACLs) of this user.",
            )

    def _exists(self, topic: str) -> bool:
        """Whether the broker has the topic; asked for some time. True while no broker answers, or when
        interrupted."""
        deadline = time.monotonic() + TOPIC_PATIENCE_S
        while True:
            try:
                found = self._consumer.list_topics(topic, timeout=_METADATA_TIMEOUT_S).topics[topic]
            except KafkaException:
                return True
            if found.error is None or self._interrupted.wait(_ASK_AGAIN_S):
                return True
            if time.monotonic() > deadline:
                return False

    def _revoked(self, consumer: Any, places: list[TopicPartition]) -> None:  # noqa: ARG002
        gone = [(place.topic, place.partition) for place in places]
        self._on_revoke(gone)
        for place in gone:
            self._positions.pop(place, None)
            self._ends.pop(place, None)


def where_to_start(
    consumer: Any, places: list[TopicPartition]
) -> tuple[list[TopicPartition], list[tuple[int, int]]]:
    """Committed offsets, and the lowest and the end offset of each place."""
    committed = consumer.committed(places, timeout=_METADATA_TIMEOUT_S)
    bounds = [
        consumer.get_watermark_offsets(
            TopicPartition(place.topic, place.partition), timeout=_METADATA_TIMEOUT_S
        )
        for place in committed
    ]
    return committed, bounds


_LOST_MEMBERSHIP: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._NO_OFFSET,
        KafkaError._STATE,
        # Fenced as a static member: the next poll raises it.
        KafkaError._FATAL,
    }
)

_TERMINAL: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError._FATAL,
    }
)

_UNKNOWN_TOPIC: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})
