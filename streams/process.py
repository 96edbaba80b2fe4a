"""How the join worker's process is tuned for batches of many small objects."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

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
