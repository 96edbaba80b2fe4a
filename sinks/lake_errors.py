"""What deltalake and polars raise, as ours: may the lake come back by itself, or must a person look?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow.parquet
from deltalake.exceptions import CommitFailedError, DeltaError
from polars.exceptions import ComputeError, PanicException

from contracts.errors import LakeUnavailable, TailraceError, TerminalError
from sinks.lake import Lake
from sinks.stores import Store

_LONGEST: Final = 300
_DAMAGED_NAMED: Final = 3
_ROOM: Final = 1 << 20
"""Free bytes below which a disk counts as full: an append needs more."""


class LakeDamaged(TerminalError):
    """A file of the lake cannot be read any more; waiting does not mend it."""


@contextmanager
def translated(lake: Lake, *names: str) -> Iterator[None]:
    """Turn what reading or writing these tables raises inside the block into ours.

    `LakeUnavailable` (transient) while the store is away, full or read-only (a folder that has vanished is a
    mount that may come back), and when files vanished that the newest version does without. `LakeDamaged`
    (terminal) for files that are there and unreadable, or missing from a table that is there. Typed errors
    and `CommitFailedError` pass through.
    """
    try:
        yield
    except TailraceError as error:
        if isinstance(error, TerminalError) and (away := _away(lake, names)):
            raise LakeUnavailable(
                f"{away} is not there",
                hint="Is its disk mounted? The worker keeps retrying; it makes no new lake by itself.",
            ) from error
        raise
    except (ComputeError, PanicException, FileNotFoundError) as error:
        # polars panics on a Parquet file that is too short.
        if away := _away(lake, names):
            raise LakeUnavailable(f"{away} is not there: {_brief(error)}") from error
        damaged = _damaged(lake, names)
        if not damaged and isinstance(error, FileNotFoundError):
            raise LakeUnavailable(
                f"files of {_tables(names)} were replaced while they were read",
                hint="By an erasure or a vacuum; what replaced them can be read.",
            ) from error
        raise LakeDamaged(
            f"a file of {_tables(names)} cannot be read: {damaged or _brief(error)}",
            hint="Restore the file from a backup. Without one: move it away and call deltalake's "
            "DeltaTable.repair(); the rows in it are lost then.",
        ) from error
    except CommitFailedError:
        raise  # another writer was first: the caller's to handle
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(
            f"{_tables(names)} could not be read or written: {_full(lake, names)}{_brief(error)}",
            hint="Check disk space, permissions and the object store; the worker keeps retrying.",
        ) from error


def _folders(lake: Lake, names: tuple[str, ...]) -> dict[Store, Path]:
    """Stores of these tables that are folders of this machine."""
    stores = {store.name: store for store in map(lake.stores.of, names)} or {"": lake.stores.main}
    return {store: store.folder for store in stores.values() if store.folder is not None}


def _away(lake: Lake, names: tuple[str, ...]) -> Store | None:
    """A folder of these tables that holds no table at all: an empty mount point, or nothing."""
    folders = _folders(lake, names).items()
    return next((s for s, root in folders if next(root.glob("*/_delta_log"), None) is None), None)


def _full(lake: Lake, names: tuple[str, ...]) -> str:
    """Says so when a disk of these tables is full: the libraries hide it behind errors of their own."""
    for root in _folders(lake, names).values():
        try:
            free = shutil.disk_usage(root).free
        except OSError:
            continue
        if free < _ROOM:
            return f"No space left on device ({free >> 10} KiB free): "
    return ""


def _tables(names: tuple[str, ...]) -> str:
    return f"table {' or '.join(names)}"


def _damaged(lake: Lake, names: tuple[str, ...]) -> str:
    """The files of local tables whose footers cannot be read, the first few by name."""
    bad = []
    local = [name for name in names if lake.folder(name) is not None]
    for uri in (uri for name in local for uri in lake.table(name).file_uris()):
        try:
            pyarrow.parquet.read_metadata(uri)
        except (OSError, pyarrow.lib.ArrowException):
            bad.append(uri)
    more = f" and {len(bad) - _DAMAGED_NAMED} more" if len(bad) > _DAMAGED_NAMED else ""
    return ", ".join(bad[:_DAMAGED_NAMED]) + more


def _brief(error: BaseException) -> str:
    """The first line: what follows is a backtrace of the library."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:_LONGEST]
