"""What the join worker produces: joined interactions, failures and dead letters, keyed and repeatable.

Every message carries a deterministic id, so a consumer that sees one twice can drop the repeat.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import polars as pl
from confluent_kafka import KafkaException, Producer

from contracts import topics
from contracts.errors import BrokerUnavailable
from contracts.settings import KafkaSettings

FLUSH_TIMEOUT_S: Final = 60.0
BATCH: Final = 10_000

PRODUCED: Final = pl.struct(
    pl.exclude("^has_.*$", "signal_ids", "outcome_ids", "settled_at")
).struct.json_encode()
"""An interaction as consumers get it, a JSON object. Presence flags repeat what nulls and counts say; the
events behind a row are in the lake."""

ID_HEADER: Final = "tailrace.id"


class Outputs:
    """Produces to the output topics; `flush` returns only when the broker has everything."""

    def __init__(self, kafka: KafkaSettings, *, failure_threshold: float) -> None:
        self._threshold = failure_threshold
        self._max_copy = kafka.max_value_bytes
        self._failed: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": kafka.bootstrap_servers,
                "client.id": "tailrace-join",
                "linger.ms": 50,
                "partitioner": "murmur2_random",
                "batch.num.messages": 50_000,
                "queue.buffering.max.messages": 1_000_000,
                # Uncompressed: aiokafka, which Faust reads with, has no lz4, snappy or zstd of its own.
                "acks": "all",
                # Deliveries that went well need no call of ours: flush waits for them either way.
                "delivery.report.only.error": True,
                "message.timeout.ms": 60_000,
                "message.max.bytes": 8 << 20,
                **kafka.security,
            },
            logger=logging.getLogger("tailrace.kafka"),
        )

    def interactions(self, rows: pl.DataFrame) -> None:
        """Send joined rows to `tailrace.interactions`, those above the threshold to `tailrace.failures`.

        Their id is `request_id` and `revision` of the value.
        """
        if rows.is_empty():
            return
        values = rows.select(PRODUCED).to_series().to_list()
        messages = [
            {"key": session, "value": value}
            for session, value in zip(rows["session_id"].to_list(), values, strict=True)
        ]
        self._send_all(topics.INTERACTIONS, messages)
        failing = (rows["failure_score"] >= self._threshold).to_list()
        self._send_all(topics.FAILURES, [m for m, f in zip(messages, failing, strict=True) if f])

    def dead_letters(self, rows: pl.DataFrame) -> None:
        """Send dead letters with their original bytes; oversized values stay in the table only."""
        for row in rows.iter_rows(named=True):
            value = row["value"]
            headers = [
                (ID_HEADER, f"{row['topic']}/{row['partition']}/{row['offset']}".encode()),
                ("tailrace.reason", row["reason"].encode()),
                ("tailrace.field", row["field"].encode()),
                ("tailrace.topic", row["topic"].encode()),
                ("tailrace.partition", str(row["partition"]).encode()),
                ("tailrace.offset", str(row["offset"]).encode()),
            ]
            if value is not None and len(value) > self._max_copy:
                headers.append(("tailrace.value_omitted_bytes", str(len(value)).encode()))
                value = None
            self._send(topics.DEAD_LETTERS, row["key"], value, headers)

    def flush(self) -> None:
        """Wait until the broker acknowledged everything; raises `BrokerUnavailable` otherwise."""
        left = self._producer.flush(FLUSH_TIMEOUT_S)
        failed, self._failed = self._failed, []
        if left or failed:
            self._producer.purge()
            self._producer.flush(1.0)
            self._failed.clear()
            first = failed[0] if failed else "timed out"
            raise BrokerUnavailable(
                f"{left + len(failed)} output messages were not acknowledged: {first}",
                hint="Is the broker up, and do the output topics exist (`tailrace topics apply`)?",
            )

    def _send_all(self, topic: str, messages: list[dict[str, Any]]) -> None:
        """Send messages without headers: a whole list at a time costs a fifth of one by one."""
        for start in range(0, len(messages), BATCH):
            chunk = messages[start : start + BATCH]
            while chunk:
                for message in chunk:
                    message.pop("_error", None)
                self._producer.produce_batch(topic, chunk, on_delivery=self._delivered)
                # What did not fit into the queue is marked; everything else is on its way.
                chunk = [message for message in chunk if "_error" in message]
                if chunk:
                    self._producer.poll(0.1)
            self._producer.poll(0)

    def _send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, Any]]
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    topic, value=value, key=key, headers=headers, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                self._failed.append(str(error.args[0]))
                return
            else:
                return

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failed.append(error.str())
