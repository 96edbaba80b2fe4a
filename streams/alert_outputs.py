"""Sending alerts: at once, without waiting; and the proof, later, that they arrived."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from contracts import topics
from contracts.alerts import Alert, encode_alert
from contracts.errors import BrokerUnavailable
from contracts.settings import KafkaSettings
from streams.outputs import ID_HEADER

log = logging.getLogger("tailrace.join")

FLUSH_TIMEOUT_S: Final = 30.0


class AlertOutputs:
    """Produces to `tailrace.alerts`, with a connection of its own that the first alert opens.

    `send` is called by the thread that polls, `ensure` by the one that stores. An alert may be sent
    twice, with the same id.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer: Any = None
        self._arrived: set[str] = set()
        self._ensured: set[str] = set()

    def send(self, alerts: Iterable[Alert]) -> None:
        """Send alerts without waiting; what cannot be sent right now is left to `ensure`."""
        for alert in alerts:
            self._produce(alert)
        if self._producer is not None:
            self._producer.poll(0)

    def ensure(self, alerts: Iterable[Alert]) -> None:
        """Return once the broker has acknowledged each of these alerts; raises `BrokerUnavailable`.

        May be repeated: what has arrived is not sent again.
        """
        wanted = {alert.alert_id: alert for alert in alerts}
        self._arrived -= self._ensured - wanted.keys()
        self._flush()
        missing = [alert for alert_id, alert in wanted.items() if alert_id not in self._arrived]
        if missing:
            self.send(missing)
            self._flush()
            left = sum(alert.alert_id not in self._arrived for alert in missing)
            if left:
                raise BrokerUnavailable(
                    f"{left} alerts were not acknowledged",
                    hint="Is the broker up, and does the topic exist (`tailrace topics apply`)?",
                )
        self._ensured = set(wanted)

    def close(self) -> None:
        """Give what is on its way a moment to arrive."""
        if self._producer is not None:
            self._producer.flush(1.0)

    def _flush(self) -> None:
        if self._producer is not None:
            self._producer.flush(FLUSH_TIMEOUT_S)

    def _produce(self, alert: Alert) -> None:
        if self._producer is None:
            self._producer = self._connect()
        try:
            self._producer.produce(
                topics.ALERTS,
                value=encode_alert(alert),
                key=alert.key,
                headers=[(ID_HEADER, alert.alert_id.encode())],
                on_delivery=partial(self._delivered, alert.alert_id),
            )
        except (BufferError, KafkaException) as error:
            log.warning("an alert waits for the next checkpoint: %s", type(error).__name__)

    def _delivered(self, alert_id: str, error: Any, _message: Any) -> None:
        if error is None:
            self._arrived.add(alert_id)

    def _connect(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._kafka.bootstrap_servers,
                "client.id": "tailrace-alerts",
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "acks": "all",
                # One batch on its way at a time: a retry must not change the order of a session.
                "max.in.flight.requests.per.connection": 1,
                "queue.buffering.max.messages": 100_000,
                "message.timeout.ms": 60_000,
                **self._kafka.security,
            },
            logger=logging.getLogger("tailrace.kafka"),
        )
