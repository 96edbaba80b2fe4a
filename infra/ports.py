"""Free TCP ports on loopback."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST: Final = 20_000
_TRIES: Final = 64


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe_socket:
        probe_socket.bind((HOST, 0))
        return int(probe_socket.getsockname()[1])


def lasting_port() -> int:
    """A free port that is still free after its server was down for a while.

    The system gives ports of the ephemeral range to outgoing connections. A client that keeps trying
    to reach a dead server on such a port takes it itself one day, by connecting to itself; so this one
    lies below the range, where the range leaves room.
    """
    below = _ephemeral_start()
    if below > _LOWEST + 1_000:
        for _ in range(_TRIES):
            port = random.randrange(_LOWEST, below)
            if is_free(port):
                return port
    return free_port()


def is_free(port: int) -> bool:
    """Whether a server could bind `port` now."""
    with socket.socket() as probe_socket:
        # As servers do, so that a port in TIME_WAIT counts as free.
        probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe_socket.bind((HOST, port))
        except OSError:
            return False
        return True


def _ephemeral_start() -> int:
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
