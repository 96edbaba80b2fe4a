"""What a piece of a process costs, told from what came before it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def measured(piece: Callable[[], Answer]) -> tuple[Answer, dict[str, float]]:
    """Run a piece; its answer, and its `seconds`, `cpu_s` (with children it waited for) and `peak_mb`.

    `peak_mb` is the most the whole process held while it ran (MiB), what it held before included: that is
    the interpreter, the libraries, and the piece's own input.
    """
    _forget_peak()
    cpu_s, started = _cpu_s(), time.perf_counter()
    answer = piece()
    cost = {
        "seconds": time.perf_counter() - started,
        "cpu_s": _cpu_s() - cpu_s,
        "peak_mb": peak_mb(),
    }
    return answer, cost


def peak_mb() -> float:
    """The most this process has held since it began or since the last piece began, MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def costs(done: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A cost, rounded to what means something, with more to say."""
    places = {"seconds": 2, "cpu_s": 2, "peak_mb": 0}
    return {name: round(value, places[name]) for name, value in done.items()} | more


def _cpu_s() -> float:
    own, children = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _forget_peak() -> None:
    # 5: the high-water mark begins anew (proc(5), /proc/pid/clear_refs). Where that is forbidden the peak is
    # that of the whole process.
    try:
        descriptor = os.open("/proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(descriptor, b"5")
    finally:
        os.close(descriptor)
