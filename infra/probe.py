"""Ask a Kafka broker who it is, with one hand-made request.

A TCP connection proves that something listens; a Metadata answer with the cluster id we chose proves
that it is *our* broker, ready to serve, and not a stranger that took the port first.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_METADATA = 3
_VERSION = 2  # the first version that names the cluster
_CORRELATION = 7
_MAX_ANSWER_BYTES = 1 << 20


class Answer(NamedTuple):
    """What a broker says of its cluster: the id, and the brokers it counts as alive."""

    cluster_id: str | None
    node_ids: frozenset[int]


def cluster_id(host: str, port: int, *, timeout: float) -> str | None:
    """The cluster id the broker at `host:port` gives, or None when no broker answers within
    `timeout` seconds (refused, silent, or not speaking Kafka)."""
    answer = ask(host, port, timeout=timeout)
    return answer.cluster_id if answer else None


def ask(host: str, port: int, *, timeout: float) -> Answer | None:
    """The broker's own answer, or None when no broker answers within `timeout` seconds."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(_request())
            (length,) = struct.unpack(">i", _receive(connection, 4))
            if not 0 < length <= _MAX_ANSWER_BYTES:
                return None
            return _read(_receive(connection, length))
    except (OSError, struct.error, UnicodeDecodeError, IndexError):
        return None


def _request() -> bytes:
    client = b"tailrace-probe"
    header = struct.pack(">hhih", _METADATA, _VERSION, _CORRELATION, len(client)) + client
    body = header + struct.pack(">i", 0)  # an empty list of topics: brokers only
    return struct.pack(">i", len(body)) + body


def _receive(connection: socket.socket, count: int) -> bytes:
    chunks = b""
    while len(chunks) < count:
        chunk = connection.recv(count - len(chunks))
        if not chunk:
            raise ConnectionResetError("closed before the whole answer came")
        chunks += chunk
    return chunks


def _read(answer: bytes) -> Answer | None:
    """Metadata v2: correlation id, [node id, host, port, rack], cluster id, …"""
    correlation, brokers = struct.unpack_from(">ii", answer, 0)
    if correlation != _CORRELATION or brokers < 1:
        return None
    at = 8
    nodes = set()
    for _ in range(brokers):
        nodes.add(struct.unpack_from(">i", answer, at)[0])
        at += 4
        _, at = _string(answer, at)
        at += 4
        _, at = _string(answer, at)
    name, _ = _string(answer, at)
    return Answer(name, frozenset(nodes))


def _string(answer: bytes, at: int) -> tuple[str | None, int]:
    (length,) = struct.unpack_from(">h", answer, at)
    at += 2
    if length < 0:
        return None, at
    return answer[at : at + length].decode(), at + length
