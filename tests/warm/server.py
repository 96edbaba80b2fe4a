"""The fork server: ``python -m tests.warm.server PATH``, listening on a Unix socket until its input ends."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

IMPORTED: Final = (
    "curation.nightly",
    "curation.erasure.run",
    "curation.settle",
    "curation.judge.calibrating",
    "curation.fitting",
    "streams.join_worker",
    "streams.reactions.worker",
    "streams.simulator",
    "kafka",
    "confluent_kafka",
    "faust",
    "sklearn.linear_model",
    "openai",
    "openlineage.client",
    "jinja2",
    "typer",
    "rich.progress",
)
"""Imported beforehand. Nothing of `console`: its terminals take their width when they are imported. Nothing
that computes with frames when it is imported: a fork of a process in which polars or Delta have started their
threads waits for them for ever."""

_POOLS: Final = ("polars-0", "tokio-rt-worker")


def main() -> None:
    """Fork a process for every request that comes in; end when the parent does."""
    for module in IMPORTED:
        importlib.import_module(module)
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    if started := set(_POOLS).intersection(threads):
        raise RuntimeError(f"one of the modules starts threads when it is imported: {started}")
    # What is there now is never garbage; forks need not copy its pages to find that out.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(sys.argv[1])
        listener.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.write(1, b"\n")
        while True:
            ready, _, _ = select.select([listener, 0], [], [])
            if 0 in ready:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                serve(connection)
            connection.close()


def serve(connection: socket.socket) -> None:
    """Start the process that is asked for, tell its pid, and when it has ended how."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    while not message.endswith(b"\n"):
        message += connection.recv(1 << 20)
    pid = os.fork()
    if pid == 0:
        connection.close()
        become(json.loads(message), streams)
    for stream in streams:
        os.close(stream)
    # The process may outlive the test that asked for it, never the other way round.
    with contextlib.suppress(OSError):
        connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def become(wanted: dict[str, Any], streams: list[int]) -> None:
    """Run a module as ``python -m`` does, in this process, to its end."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.argv = [wanted["module"], *wanted["arguments"]]
    sys.path[0] = wanted["cwd"]
    # Streams of a fresh process: buffers of this one belong to the server.
    sys.stdin, sys.stdout, sys.stderr = (
        open(n, mode, encoding="utf-8", errors=errors, buffering=1 if n == 2 else -1)  # noqa: PTH123, SIM115
        for n, mode, errors in ((0, "r", "strict"), (1, "w", "strict"), (2, "w", "backslashreplace"))
    )
    try:
        runpy.run_module(wanted["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        sys.exit(end.code)
    except BaseException:  # noqa: BLE001 - shown as the interpreter would
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
