"""What a broker does with messages: offsets, timestamps, repeats, sizes, deletion."""

from __future__ import annotations

import struct
import time
import uuid
from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec
from kafka.record.memory_records import MemoryRecordsBuilder

from tests.infra.probes.clients import admin, attempt, code, consumer, new_topic, producer, raw, send, text

COORDINATOR_LOADING = 14


def read(servers: str, topic: str, count: int, **options: Any) -> list[Any]:
    client = consumer(servers, **options)
    client.assign([TopicPartition(topic, 0, 0)])
    found: list[Any] = []
    deadline = time.monotonic() + 6
    while len(found) < count and time.monotonic() < deadline:
        found += client.consume(100, 0.3)
    client.close()
    return found


def end_offset_after_one_batch_of_ten(servers: str) -> str:
    topic = new_topic(servers)
    send(producer(servers, linger_ms=50), topic, [b"x"] * 10)
    client = consumer(servers)
    asked = client.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)[1]
    place = TopicPartition(topic, 0)
    listed = admin(servers).list_offsets({place: OffsetSpec.latest()})[place].result(10).offset
    client.assign([TopicPartition(topic, 0, 0)])
    while client.poll(2):
        pass
    cached = client.get_watermark_offsets(place, cached=True)[1]
    client.close()
    return f"ListOffsets {asked}, admin {listed}, high watermark of the fetch {cached}"


def partition_end_event(servers: str) -> str:
    topic = new_topic(servers)
    send(producer(servers, linger_ms=50), topic, [b"x"] * 10)
    client = consumer(servers, enable_partition_eof=True)
    client.assign([TopicPartition(topic, 0, 0)])
    seen, deadline = 0, time.monotonic() + 5
    while time.monotonic() < deadline:
        message = client.poll(0.2)
        if message is None:
            continue
        if message.error():
            client.close()
            return f"{message.error().name()} after {seen} of 10 messages"
        seen += 1
    client.close()
    return f"no event, {seen} of 10 messages"


def timestamps(servers: str) -> str:
    topic = new_topic(servers)
    now = int(time.time() * 1000)
    client = producer(servers)
    kept = []
    for name, moment in (
        ("2001", 10**12),
        ("now", now),
        ("in 50 minutes", now + 3_000_000),
        ("in 2 hours", now + 7_200_000),
    ):
        said = send(client, topic, [name.encode()], timestamp=moment)
        found = [m for m in read(servers, topic, 9) if m.value() == name.encode()] if said == "stored" else []
        same = bool(found) and found[0].timestamp() == (TIMESTAMP_CREATE_TIME, moment)
        kept.append(f"{name}: {'kept' if same else said}")
    return ", ".join(kept)


def offsets_for_times(servers: str) -> str:
    topic = new_topic(servers)
    client = producer(servers)
    for n in range(5):
        send(client, topic, [b"x"], timestamp=10**12 + n * 1000)
    reader = consumer(servers)
    found = reader.offsets_for_times([TopicPartition(topic, 0, 10**12 + 2500)], timeout=10)[0]
    reader.close()
    return f"offset {found.offset} (3 is right)"


def repeated_batch_of_an_idempotent_producer(servers: str) -> str:
    """The same batch (producer id, epoch, sequence) sent twice, as after a lost acknowledgement."""
    topic = new_topic(servers)
    begin = b"\0" + struct.pack(">iqh", 60_000, -1, -1) + b"\0"  # InitProducerId v4, as librdkafka sends it
    deadline = time.monotonic() + 15
    while True:
        _, failed, producer_id, epoch = struct.unpack_from(">ihqh", raw(servers, 22, 4, begin, tagged=True))
        if failed != COORDINATOR_LOADING or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    if failed:
        return f"InitProducerId error {failed}"

    def batch(sequence: int) -> tuple[int, int]:
        builder = MemoryRecordsBuilder(
            2, 0, 1 << 16, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence
        )
        builder.append(int(time.time() * 1000), b"k", b"v")
        builder.close()
        records = bytes(builder.buffer())
        body = struct.pack(">hhii", -1, -1, 5000, 1) + text(topic)
        body += struct.pack(">iii", 1, 0, len(records)) + records
        at = 4 + 2 + len(topic) + 4 + 4
        error, offset = struct.unpack_from(">hq", raw(servers, 0, 3, body), at)
        return error, offset

    first, again, gap = batch(0), batch(0), batch(7)
    stored = len([m for m in read(servers, topic, 9) if not m.error()])
    return f"first {first}, again {again}, a gap in the sequence {gap} (error, offset); {stored} stored"


def transactions(servers: str) -> str:
    topic = new_topic(servers)
    try:
        client = producer(servers, transactional_id=uuid.uuid4().hex)
        client.init_transactions(15)
        for value, end in ((b"committed", "commit_transaction"), (b"aborted", "abort_transaction")):
            client.begin_transaction()
            client.produce(topic, value)
            client.flush(10)
            getattr(client, end)(15)
    except KafkaException as error:
        return code(error)
    found = [m.value().decode() for m in read(servers, topic, 2, isolation_level="read_committed")]
    return f"a read_committed consumer sees {found}"


def too_large_a_message(servers: str) -> str:
    topic = new_topic(servers, max_message_bytes="20000")
    return send(producer(servers, message_max_bytes=10_000_000), topic, [b"x" * 50_000])


def compression(servers: str) -> str:
    said = {}
    for kind in ("gzip", "snappy", "lz4", "zstd"):
        topic = new_topic(servers)
        said[kind] = send(producer(servers, compression_type=kind, linger_ms=50), topic, [b"x" * 900] * 20)
        if said[kind] == "stored":
            found = read(servers, topic, 20)
            said[kind] = f"{len([m for m in found if m.value() == b'x' * 900])}/20"
    return ", ".join(f"{kind} {answer}" for kind, answer in said.items())


def deleted_records(servers: str) -> str:
    topic = new_topic(servers)
    send(producer(servers), topic, [b"x"] * 10)
    place = TopicPartition(topic, 0, 6)
    try:
        admin(servers).delete_records([place])[TopicPartition(topic, 0)].result(10)
    except KafkaException as error:
        return f"DeleteRecords: {code(error)}"
    client = consumer(servers, auto_offset_reset="error")
    low, high = client.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    client.assign([TopicPartition(topic, 0, 0)])
    message = client.poll(5)
    told = "nothing" if message is None else message.error().name() if message.error() else "a message"
    client.close()
    return f"offsets {low} to {high}; reading from 0 gives {told}"


def reading_past_the_end(servers: str) -> str:
    topic = new_topic(servers)
    send(producer(servers), topic, [b"x"] * 3)
    client = consumer(servers, auto_offset_reset="error")
    client.assign([TopicPartition(topic, 0, 1000)])
    message = client.poll(4)
    client.close()
    return "waits" if message is None else message.error().name() if message.error() else "a message"


def an_unknown_topic(servers: str) -> str:
    name = f"absent-{uuid.uuid4().hex[:8]}"
    produced = send(producer(servers, message_timeout_ms=4000), name, [b"x"])
    client = consumer(servers)
    other = f"absent-{uuid.uuid4().hex[:8]}"
    client.subscribe([other])
    message = client.poll(8)
    told = "nothing" if message is None else message.error().name() if message.error() else "a message"
    client.close()
    made = other in admin(servers).list_topics(timeout=10).topics
    return f"produce: {produced}; subscribe: {told}, topic {'made' if made else 'not made'}"


def a_topic_deleted_and_made_again(servers: str) -> str:
    from confluent_kafka import TopicCollection
    from confluent_kafka.admin import NewTopic

    topic = new_topic(servers)
    boss = admin(servers)

    def identity() -> str:
        try:
            found = boss.describe_topics(TopicCollection([topic]))[topic].result(10)
        except KafkaException as error:
            return code(error)
        return str(found.topic_id)

    send(producer(servers), topic, [b"x"] * 5)
    first, again = identity(), identity()
    deleted = attempt(lambda: boss.delete_topics([topic])[topic].result(10))
    time.sleep(1)
    made = attempt(lambda: boss.create_topics([NewTopic(topic, 1, 1)])[topic].result(10))
    second = identity()
    client = consumer(servers)
    bounds = client.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    client.close()
    ids = "a lasting id" if first == again else "an id that changes"
    renewed = "a new id" if second != first else "the same id"
    return f"{ids} ({first[:10]}…); delete {deleted}, make {made}: {renewed}, offsets {bounds}"


PROBES = [
    end_offset_after_one_batch_of_ten,
    partition_end_event,
    timestamps,
    offsets_for_times,
    repeated_batch_of_an_idempotent_producer,
    transactions,
    too_large_a_message,
    compression,
    deleted_records,
    reading_past_the_end,
    an_unknown_topic,
    a_topic_deleted_and_made_again,
]
