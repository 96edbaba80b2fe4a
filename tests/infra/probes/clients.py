"""Clients and raw requests that the probes share."""

from __future__ import annotations

import functools
import logging
import socket
import struct
import time
import uuid
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

QUIET = logging.getLogger("tailrace.kafka")
QUIET.setLevel(logging.CRITICAL + 1)


@functools.cache  # a client that is collected takes the answers it waits for with it
def admin(servers: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": servers}, logger=QUIET)


def new_topic(servers: str, partitions: int = 1, **config: str) -> str:
    name = f"probe-{uuid.uuid4().hex[:10]}"
    wanted = NewTopic(name, partitions, 1, config={k.replace("_", "."): v for k, v in config.items()})
    admin(servers).create_topics([wanted])[name].result(20)
    return name


def producer(servers: str, **options: Any) -> Producer:
    settings = {k.replace("_", "."): v for k, v in options.items()}
    return Producer({"bootstrap.servers": servers, **settings}, logger=QUIET)


def send(client: Producer, topic: str, values: list[bytes], **options: Any) -> str:
    """Produce and flush; "stored", or the first error."""
    errors: list[str] = []

    def delivered(error: Any, _: Any) -> None:
        if error is not None:
            errors.append(error.name())

    for value in values:
        client.produce(topic, value, on_delivery=delivered, **options)
    if client.flush(20):
        return "no answer"
    return errors[0] if errors else "stored"


def consumer(servers: str, group: str | None = None, **options: Any) -> Consumer:
    settings = {
        "bootstrap.servers": servers,
        "group.id": group or uuid.uuid4().hex,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,
        **{k.replace("_", "."): v for k, v in options.items()},
    }
    return Consumer(settings, logger=QUIET)


def code(error: KafkaException) -> str:
    return str(error.args[0].name())


def attempt(call: Callable[[], Any]) -> str:
    """ "ok", or the name of the error."""
    try:
        call()
    except KafkaException as error:
        return code(error)
    return "ok"


def until(condition: Callable[[], Any], seconds: float = 30.0) -> float | None:
    """Seconds until the condition held, or None."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if condition():
            return time.monotonic() - begun
        time.sleep(0.02)
    return None


def raw(servers: str, api: int, version: int, body: bytes, *, tagged: bool = False) -> bytes:
    """One hand-made request; the answer without length and correlation id. `tagged`: newer headers,
    with an (empty) list of tags at the end."""
    host, port = servers.split(",")[0].rsplit(":", 1)
    message = struct.pack(">hhih", api, version, 7, 5) + b"probe" + (b"\0" if tagged else b"") + body
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(message)) + message)
        size = struct.unpack(">i", _exactly(connection, 4))[0]
        return _exactly(connection, size)[5 if tagged else 4 :]


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionResetError("connection closed")
        data += more
    return data
