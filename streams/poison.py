"""Poison events as dead letters: their bytes read again from Kafka, each stored once, and remembered.

A poison event is found when its window closes, long after later offsets of its partition were stored, so
the transaction that keeps `append_messages` from repeating itself cannot serve: each place has its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from contracts import reasons
from contracts.errors import BrokerUnavailable
from contracts.settings import KafkaSettings
from contracts.tables import frame_schema
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.transactions import append_once
from streams.isolation import Poison

if TYPE_CHECKING:
    from streams.ingress import Ingress

log = logging.getLogger("tailrace.join")

READ_BACK_S: Final = 15.0
"""How long to wait for one message."""

_POLL_S: Final = 0.5

Place = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass(frozen=True, slots=True)
class Original:
    """A message as the broker holds it; `received_us` in UTC microseconds."""

    received_us: int
    key: bytes | None
    value: bytes | None


class PoisonLetters:
    """Stores poison events of the join's topics in the `dead_letters` table."""

    def __init__(
        self,
        kafka: KafkaSettings,
        lake: Lake,
        topics: Mapping[str, str],
        origins: Mapping[str, str],
        ingress: Ingress | None = None,
    ) -> None:
        """`topics`: kind → topic; `origins`: topic → its incarnation (`streams.origins`); `ingress`: redacts
        the originals before they are stored."""
        self._ingress = ingress
        self._kafka = kafka
        self._lake = lake
        self._topics = dict(topics)
        self._origins = dict(origins)

    def store(self, poison: Iterable[Poison]) -> pl.DataFrame:
        """Make dead letters durable, each place once however often this is called; returns their rows.

        Do this before anything that depends on the events' absence. Raises `BrokerUnavailable` and
        `LakeUnavailable`, both transient.
        """
        found = {(self._topics[p.kind], p.partition, p.offset): p for p in poison}
        if not found:
            return pl.DataFrame(schema=frame_schema("dead_letters"))
        originals = read_back(self._kafka, found)
        rows = pl.DataFrame(
            [
                {
                    **dict(zip(("topic", "partition", "offset"), place, strict=True)),
                    "received_at": originals[place].received_us
                    if place in originals
                    else self._received_us(poison.kind, place),
                    "reason": reasons.POISON,
                    "field": "",
                    "detail": f"a later step fails with {poison.error}",
                    "key": originals[place].key if place in originals else None,
                    "value": originals[place].value if place in originals else None,
                }
                for place, poison in found.items()
            ],
            schema={name: t for name, t in frame_schema("dead_letters").items() if name != "date"}
            | {"received_at": pl.Int64},
        )
        received = pl.from_epoch("received_at", "us").dt.replace_time_zone("UTC")
        rows = rows.with_columns(received_at=received, date=received.dt.date()).select(
            list(frame_schema("dead_letters"))
        )
        if self._ingress is not None:
            rows = self._ingress.letters(rows)
        for place, row in zip(found, rows.iter_slices(1), strict=True):
            log.warning("poison at %s/%d/%d: %s", *place, found[place].error)
            append_once(self._lake, "dead_letters", row, batch_id=self._batch_id(place))
        return rows

    def known(self, restart: Mapping[tuple[str, int], int]) -> dict[str, set[tuple[int, int]]]:
        """Poison stored at or after the restart offsets: kind → (partition, offset).

        Read again, these must not enter a window. Raises `LakeUnavailable`.
        """
        with translated(self._lake, "dead_letters"):
            table = self._lake.table("dead_letters")
            rows = self._lake.scan("dead_letters", version=table.version()).filter(reason=reasons.POISON)
            places = rows.select("topic", "partition", "offset").collect()
        kinds = {topic: kind for kind, topic in self._topics.items()}
        result: dict[str, set[tuple[int, int]]] = {}
        for place in places.iter_rows():
            topic, partition, offset = place
            if offset < restart.get((topic, partition), offset + 1):
                continue
            # Offsets of another incarnation of the topic are other events.
            if table.transaction_version(self._batch_id(place)) is not None:
                result.setdefault(kinds[topic], set()).add((partition, offset))
        return result

    def _batch_id(self, place: Place) -> str:
        topic, partition, offset = place
        return f"poison/{self._origins[topic]}/{partition}/{offset}"

    def _received_us(self, kind: str, place: Place) -> int:
        """Broker's timestamp of a message that is gone from Kafka: bronze knows it."""
        _, partition, offset = place
        with translated(self._lake, kind):
            rows = self._lake.scan(kind).filter(partition=partition, offset=offset).select("received_at")
            known = rows.collect()["received_at"].dt.epoch("us").to_list()
        return int(known[0]) if known else time.time_ns() // 1_000


def read_back(kafka: KafkaSettings, places: Iterable[Place]) -> dict[Place, Original]:
    """Messages at exact places, without a group; places that the broker no longer holds are missing.

    Raises `BrokerUnavailable` when it does not answer.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "client.id": "tailrace-read-back",
            # Never joined: the client wants a name even for assign.
            "group.id": f"{kafka.group_id}-read-back",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            **kafka.security,
        },
        logger=logging.getLogger("tailrace.kafka"),
    )
    try:
        found = ((place, _message_at(consumer, place)) for place in places)
        return {place: original for place, original in found if original is not None}
    except KafkaException as exception:
        raise BrokerUnavailable(
            f"poison events could not be read again: {exception.args[0].str()}"
        ) from exception
    finally:
        consumer.close()


def _message_at(consumer: Any, place: Place) -> Original | None:
    topic, partition, offset = place
    consumer.assign([TopicPartition(topic, partition, offset)])
    deadline = time.monotonic() + READ_BACK_S
    while time.monotonic() < deadline:
        message = consumer.poll(_POLL_S)
        if message is None or (message.topic(), message.partition()) != (topic, partition):
            continue
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            return None
        if error is not None or message.offset() in (None, OFFSET_INVALID):
            continue
        if message.offset() != offset:
            return None
        sent_ms = message.timestamp()[1]
        return Original(max(sent_ms, 0) * 1_000, message.key(), message.value())
    # Tansu says nothing at all about offsets past its end. A broker that does not answer raises here.
    consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=READ_BACK_S)
    log.warning("%s/%d/%d is not on the broker any more", topic, partition, offset)
    return None
