"""The join worker's process: tuned for batches of many small objects, and how it ends."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEEP_BYTES: Final = 512 << 20
_GC_THRESHOLDS: Final = (200_000, 20, 100)
_SWITCH_INTERVAL_S: Final = 0.0005


@contextmanager
def tuned_for_batches() -> Iterator[None]:
    """Collect garbage rarely, keep freed memory and hand the interpreter over quickly.

    A micro-batch makes a million short-lived tuples without cycles: the collector's default thresholds
    walk them again and again (measured: a third of decoding). And glibc gives the memory of every batch
    back to the system, only to fault it in again page by page (measured: a fifth of all CPU time on a
    virtual machine). Memory stays bounded by the size of a batch either way.

    While the loop decodes, the background thread makes hundreds of short calls into polars and Delta; at
    the default switch interval each waits 5 ms to get the interpreter back.
    """
    before, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
            libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        sys.setswitchinterval(interval)


def leave(code: int | str | None = 0) -> NoReturn:
    """End this process with an exit code, as `sys.exit` does, whatever its daemon threads are doing.

    A daemon thread that is inside deltalake or polars while the interpreter is taken down around it
    crashes the process (measured: SIGSEGV in a quarter of all exits during a merge). Waiting for it
    would let one merge, or a store that hangs, hold up every stop; and what is cut off is safe, as it is
    from SIGKILL. So when such threads are left, other threads are waited for, what was logged and
    printed is flushed, and the process ends at once, without exit handlers.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    if not any(thread.daemon for thread in others):
        sys.exit(code)
    for thread in others:
        if not thread.daemon:
            thread.join()
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
