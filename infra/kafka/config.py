"""A broker's configuration as text: pure, so that it can be read and tested without a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.ports import HOST


@dataclass(frozen=True)
class Member:
    """One combined broker and controller: its id and its two ports on loopback."""

    node_id: int
    port: int
    controller_port: int


def properties(
    member: Member, members: Sequence[Member], data: Path, overrides: Mapping[str, str] | None = None
) -> str:
    """The `server.properties` of `member` in a cluster of `members`; `overrides` win."""
    replicas = str(len(members))
    in_sync = str(max(1, len(members) - 1))
    values = {
        "process.roles": "broker,controller",
        "node.id": str(member.node_id),
        "listeners": f"PLAINTEXT://{HOST}:{member.port},CONTROLLER://{HOST}:{member.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{member.port}",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": ",".join(f"{m.node_id}@{HOST}:{m.controller_port}" for m in members),
        "log.dirs": str(data),
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        # 50 by default, and the first group waits for all of them.
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.min.heartbeat.interval.ms": "300",
        # A broker killed and started again is let in when its old session has ended: 9 s by default.
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "3000",
        # 128 MB of heap by default, for compaction.
        "log.cleaner.dedupe.buffer.size": "4194304",
        "num.network.threads": "2",
        "num.io.threads": "4",
        **(overrides or {}),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())
