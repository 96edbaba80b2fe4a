"""Waiting for what happens in another process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from infra import probe
from infra.ports import HOST


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def answers(port: int) -> bool:
    return probe.cluster_id(HOST, port, timeout=0.5) is not None


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def addresses(port: int) -> set[str]:
    """The local addresses something listens on at `port`, as /proc writes them (IPv4 and IPv6)."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, _, state, *_ = line.split()
            if local.endswith(f":{port:04X}") and state == "0A":
                found.add(local.split(":")[0])
    return found
