"""The emitter: how an application service sends its events to Tailrace.

    with Emitter("127.0.0.1:9092") as emitter:
        emitter.request(request_id="r1", session_id="s1", feature="support", prompt="…", response="…")
        emitter.signal(session_id="s1", request_id="r1", kind="thumbs", value=-1)

An event is checked before it is sent, by the rules the worker applies on arrival, so that a mistake
surfaces where it was made and not in a dead-letter topic.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Unpack

import kafka.errors
from kafka import KafkaAdminClient, KafkaProducer

from contracts import reasons, topics
from contracts.errors import DeliveryFailed, EventInvalid, TailraceError, TerminalError, TopicsMismatch
from contracts.events import ConsentChanged, Event, OutcomeRecorded, RequestLogged, SignalObserved
from contracts.settings import KafkaSettings
from streams.delivery import DeliveryCounts, Ledger
from streams.event_fields import ConsentFields, OutcomeFields, RequestFields, SignalFields
from streams.kafka_client import open_client
from streams.outgoing import prepare
from streams.partitioner import KeyPartitioner
from streams.routing import topic_names

log = logging.getLogger(__name__)

_HEADROOM_BYTES: Final = 64 << 10
_MARGIN_SECONDS: Final = 5.0
_DEFAULTS: Final[dict[str, Any]] = {
    "client_id": "tailrace-emitter",
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 20,
    "batch_size": 128 << 10,
    # Not compressed unless asked: every Kafka client reads gzip, but lz4, snappy and zstd need a codec
    # that the readers of our topics may not have installed.
    "compression_type": None,
    "request_timeout_ms": 15_000,
    "delivery_timeout_ms": 60_000,
    "max_block_ms": 10_000,
    "metrics_enabled": False,
}


class Emitter:
    """Sends events, in batches, from any number of threads.

    `bootstrap_servers` is ``host:port[,host:port…]`` or a list; without it `settings` decide.
    `settings` also give topic names, security and the value limit. `max_buffered_bytes` bounds what
    waits for the broker: above it, sending blocks. Everything else goes to
    `kafka.KafkaProducer` (e.g. ``compression_type="gzip"``, ``linger_ms=5``).

    Sending returns at once; `flush` and leaving the ``with`` block wait for the broker and raise
    `DeliveryFailed` when an event could not be delivered. Each event is delivered once while the
    producer lives (idempotent, acknowledged by all in-sync replicas).

    Raises `BrokerUnavailable` when no broker answers within `connect_seconds`.
    """

    def __init__(
        self,
        bootstrap_servers: str | Sequence[str] | None = None,
        *,
        settings: KafkaSettings | None = None,
        max_buffered_bytes: int = 64 << 20,
        connect_seconds: float = 10,
        **producer_options: Any,
    ) -> None:
        self._settings = settings or KafkaSettings()
        self._names = topic_names(self._settings)
        options = {
            **_DEFAULTS,
            "max_request_size": 2 * self._settings.max_value_bytes + _HEADROOM_BYTES,
            "partitioner": KeyPartitioner(),
            **producer_options,
        }
        self._delivery_seconds = options["delivery_timeout_ms"] / 1000 + _MARGIN_SECONDS
        self._ledger = Ledger(max_buffered_bytes)
        self._closed = False
        servers = bootstrap_servers or self._settings.bootstrap_servers
        self._servers = servers if isinstance(servers, str) else ",".join(servers)
        self._producer: Any = open_client(
            KafkaProducer,
            self._settings,
            bootstrap_servers=servers if isinstance(servers, str) else list(servers),
            timeout_seconds=connect_seconds,
            **options,
        )

    def __enter__(self) -> Emitter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except DeliveryFailed as failure:
            if error is None:
                raise
            error.add_note(f"Moreover, {failure}")  # the body's exception is the one to see

    def request(self, event: RequestLogged | None = None, /, **fields: Unpack[RequestFields]) -> str:
        """Send one LLM call (topic `llm.requests`); returns its event id.

        Takes the fields of `RequestLogged`, or such a Struct. Raises `EventInvalid` when it breaks the
        contract, `TypeError` for an unknown field.
        """
        return self._emit(topics.REQUESTS, RequestLogged, event, fields)

    def signal(self, event: SignalObserved | None = None, /, **fields: Unpack[SignalFields]) -> str:
        """Send something the user did (topic `user.signals`); returns its event id. As `request`."""
        return self._emit(topics.SIGNALS, SignalObserved, event, fields)

    def outcome(self, event: OutcomeRecorded | None = None, /, **fields: Unpack[OutcomeFields]) -> str:
        """Send what happened downstream (topic `downstream.outcomes`); returns its event id.

        Name the `session_id` whenever the request had one: it decides the partition.
        """
        return self._emit(topics.OUTCOMES, OutcomeRecorded, event, fields)

    def consent(self, event: ConsentChanged | None = None, /, **fields: Unpack[ConsentFields]) -> str:
        """Send a change of consent (topic `consent.events`); returns its event id. As `request`."""
        return self._emit(topics.CONSENTS, ConsentChanged, event, fields)

    def send_raw(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Send bytes as they are, unchecked: for replays. An input topic's name from the contract goes
        to the topic the settings name for it; other names are taken literally."""
        if key is None and value is None:
            raise EventInvalid(reasons.TOMBSTONE, "a message needs a key or a value")
        self._send(self._names.get(topic, topic), key, value)

    def counts(self) -> DeliveryCounts:
        """How many events were accepted, delivered, given up, and are pending, since the start."""
        return self._ledger.counts()

    def flush(self, timeout: float | None = None) -> None:
        """Wait until every event sent before this call is decided, at most `timeout` seconds (default:
        the delivery timeout, 60 s, within which the producer delivers or gives up).

        Raises `DeliveryFailed` naming how many failed since the last flush and the first cause.
        """
        if not self._closed:
            self._settle(self._delivery_seconds if timeout is None else timeout)
        self._raise_failures()

    def close(self, timeout: float | None = None) -> None:
        """Flush, then stop the producer; what is not delivered in time is given up and counted.

        Raises `DeliveryFailed` as `flush` does. Closing twice does nothing.
        """
        if self._closed:
            return
        self._settle(self._delivery_seconds if timeout is None else timeout)
        self._closed = True
        if self._ledger.counts().pending:
            # KafkaProducer.close() would first wait for these again, for ever.
            self._producer._sender.force_close()
            self._ledger.settle(_MARGIN_SECONDS)
        try:
            self._producer.close(timeout=_MARGIN_SECONDS)
        except kafka.errors.KafkaError as error:
            log.warning("the Kafka producer did not close cleanly: %s", type(error).__name__)
        self._raise_failures()

    def _emit(self, topic: str, kind: type[Event], event: Event | None, fields: Any) -> str:
        ready = prepare(
            kind,
            event,
            fields,
            now_us=time.time_ns() // 1000,
            max_bytes=self._settings.max_value_bytes,
        )
        self._send(self._names[topic], ready.key, ready.value)
        return ready.event_id

    def _send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        if self._closed:
            raise TerminalError("the emitter is closed", hint="Send inside its `with` block.")
        size = len(key or b"") + len(value or b"")
        if not self._ledger.accept(size, self._delivery_seconds):
            raise DeliveryFailed(
                f"{self._ledger.counts().pending} events wait for the broker and none gets through",
                hint="Check the broker; raise max_buffered_bytes if it is only slow.",
            )
        try:
            future = self._producer.send(topic, key=key, value=value)
        except BaseException as error:
            self._ledger.withdraw(size)
            if isinstance(error, kafka.errors.MessageSizeTooLargeError):
                raise EventInvalid(reasons.TOO_LARGE, f"{size} bytes do not fit one request") from None
            if isinstance(error, (kafka.errors.KafkaTimeoutError, kafka.errors.UnknownTopicOrPartitionError)):
                raise self._unknown_topic(topic) from None
            raise
        future.add_callback(partial(self._on_delivered, size))
        future.add_errback(partial(self._on_failed, size, topic))

    def _unknown_topic(self, topic: str) -> TailraceError:
        """Why the producer waited in vain for a topic's metadata: no such topic, or no broker any more."""
        try:
            admin: Any = open_client(
                KafkaAdminClient,
                self._settings,
                bootstrap_servers=self._servers.split(","),
                timeout_seconds=_MARGIN_SECONDS,
            )
        except TailraceError as error:
            return error
        with admin:
            known = topic in admin.list_topics()
        if known:
            return DeliveryFailed(
                f"the broker at {self._servers} did not tell in time where {topic} lies",
                hint="Send again; raise max_block_ms if the cluster is slow.",
            )
        return TopicsMismatch(
            f"the broker at {self._servers} knows no topic {topic}", hint="Run `tailrace topics apply`."
        )

    def _on_delivered(self, size: int, _metadata: Any) -> None:
        self._ledger.delivered(size)

    def _on_failed(self, size: int, topic: str, error: Exception) -> None:
        # Long-running services flush rarely: the first failure is logged when it happens.
        if self._ledger.failed(size, error):
            log.error("an event for %s was not delivered: %s", topic, type(error).__name__)

    def _settle(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        try:
            self._producer.flush(timeout)
        except kafka.errors.KafkaError as error:
            # A timeout, or a batch split under way: the ledger knows better what is still open.
            log.debug("flush: %s", type(error).__name__)
        self._ledger.settle(max(0.0, deadline - time.monotonic()))

    def _raise_failures(self) -> None:
        failed, first = self._ledger.take_failures()
        counts = self._ledger.counts()
        if not failed and not counts.pending:
            return
        parts = []
        if failed:
            parts.append(f"{failed} of {counts.accepted} events were not delivered to {self._servers}")
        if counts.pending:
            parts.append(f"{counts.pending} of {counts.accepted} events are still unsent")
        cause = f"; first cause: {type(first).__name__}: {first}" if first else ""
        raise DeliveryFailed(
            " and ".join(parts) + cause,
            hint="Check the broker and the topics, then send them again with the same event ids: repeats "
            "are dropped.",
        ) from first
