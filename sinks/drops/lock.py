"""One build at a time under a drops folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from contracts.errors import LakeNotWritable

LOCK_FILE: Final = ".build.lock"


@contextmanager
def exclusive(drops_root: Path) -> Iterator[None]:
    """One build at a time under a drops folder: staging folders are shared by name.

    Waits for the other build. The lock goes with its process, so a crash leaves none behind.
    """
    try:
        drops_root.mkdir(parents=True, exist_ok=True)
        file = (drops_root / LOCK_FILE).open("w")
    except OSError as error:
        raise LakeNotWritable(
            f"the drops folder {drops_root} cannot be written: {error.strerror}",
            hint="Choose another --home (or TAILRACE_LAKE__DROPS_ROOT) or correct its permissions.",
        ) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
