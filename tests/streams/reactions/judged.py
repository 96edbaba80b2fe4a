"""Failures to be judged online by a test server, and what a crash may leave of them."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from contracts import topics
from contracts.messages import encode_messages, text_message
from contracts.settings import JudgeSettings, Settings
from sinks.judge_journal import FOLDER
from sinks.lake import Lake
from sinks.transactions import append_once
from streams.emitter import Emitter
from streams.outputs import PRODUCED
from tests.curation.judge.server import FakeServer
from tests.factories import table_rows
from tests.streams.reactions.conftest import Worker

CONCURRENCY = 8


def judging_settings(place: Settings, server: FakeServer, **judge: Any) -> Settings:
    """Settings of a worker whose online judge asks the test server."""
    asked = JudgeSettings(
        kind="openai",
        base_url=server.base_url,
        api_key=SecretStr("k"),
        model="fake",
        concurrency=CONCURRENCY,
        **{"online_calls_per_hour": 1_000_000, **judge},
    )
    return place.model_copy(update={"judge": asked})


def kill(worker: Worker) -> None:
    """SIGKILL."""
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()


@dataclass
class Judged:
    """Failures `item-0` … on their topic, in the lake, and at the server."""

    settings: Settings
    server: FakeServer
    sent: int = 0
    paid: dict[str, int] = field(default_factory=dict)
    """Calls at the server of every item that a killed worker had noted, when it was killed."""

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_root)

    def send(self, count: int) -> None:
        """Put more failures into the lake and on the topic."""
        numbers = range(self.sent, self.sent + count)
        terms = {"consent_scopes": ["training"], "split": "train", "actor": "user"}
        rows = [
            {
                "request_id": f"item-{n}",
                "session_id": f"session-{n}",
                "offset": n,
                "input_messages": encode_messages([text_message("user", f"item-{n} where is it?")]),
                "output_messages": encode_messages([text_message("assistant", f"lost {n}")]),
                **terms,
            }
            for n in numbers
        ]
        append_once(self.lake, "requests", table_rows("requests", rows), batch_id=f"t{self.sent}")
        same = {"split": "train", "actor": "user", "failure_score": 0.9}
        keys = ("request_id", "session_id", "offset")
        made = table_rows("interactions", [{k: row[k] for k in keys} | same for row in rows])
        with Emitter(self.settings.kafka.bootstrap_servers) as emitter:
            values = made.select(PRODUCED).to_series().to_list()
            for row, value in zip(rows, values, strict=True):
                emitter.send_raw(topics.FAILURES, row["session_id"].encode(), value.encode())
            emitter.flush()
        self.sent += count

    def rows(self) -> pl.DataFrame:
        """What `judgments` holds."""
        return self.lake.scan("judgments").collect()

    def note_paid(self) -> None:
        """After a kill: remember how often the server was asked for what no worker may ask for again."""
        paid = {*self.rows()["request_id"], *self._journalled()}
        self.paid = {name: self.server.calls[name] for name in paid} | self.paid

    def _journalled(self) -> set[str]:
        folder = Path(self.settings.home) / FOLDER
        names: set[str] = set()
        for file in folder.glob("*.jsonl"):
            # What follows the last line's end was cut off.
            lines = file.read_bytes().split(b"\n")[:-1]
            names |= {json.loads(line)["request_id"] for line in lines}
        return names

    def committed(self) -> dict[int, int]:
        """Committed offset of each partition of the failures; 0 for none."""
        consumer = self._consumer()
        places = [TopicPartition(topics.FAILURES, p) for p in range(self.settings.kafka.partitions)]
        try:
            return {p.partition: max(p.offset, 0) for p in consumer.committed(places, timeout=30)}
        finally:
            consumer.close()

    def assert_committed_only_what_is_stored(self) -> None:
        """No offset may pass a failure without a row."""
        committed, stored = self.committed(), set(self.rows()["request_id"])
        for partition, offset, name in self.messages():
            assert offset >= committed[partition] or name in stored, name

    def messages(self) -> list[tuple[int, int, str]]:
        """(partition, offset, request) of every failure on the topic."""
        consumer = self._consumer()
        consumer.assign(
            [TopicPartition(topics.FAILURES, p, 0) for p in range(self.settings.kafka.partitions)]
        )
        found: list[tuple[int, int, str]] = []
        try:
            while len(found) < self.sent:
                for message in consumer.consume(1_000, 10.0):
                    assert message.error() is None
                    request = json.loads(message.value())["request_id"]
                    found.append((message.partition(), message.offset(), request))
        finally:
            consumer.close()
        return found

    def assert_complete(self, kills: int) -> None:
        """Every failure has one row per epoch; nothing noted was paid again; all offsets are committed."""
        rows = self.rows()
        assert sorted(rows["request_id"]) == sorted(f"item-{n}" for n in range(self.sent))
        assert rows.select("epoch", "content_hash").n_unique() == rows.height
        assert rows["epoch"].n_unique() == 1
        assert {name: self.server.calls[name] for name in self.paid} == self.paid
        again = self.server.calls.total() - self.sent
        assert 0 <= again <= kills * CONCURRENCY, again
        assert sum(self.committed().values()) == self.sent

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.settings.kafka.bootstrap_servers,
                "group.id": f"{self.settings.kafka.group_id}-reactions",
                "enable.auto.commit": False,
            }
        )
