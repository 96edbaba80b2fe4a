"""Trying again while the app runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import polars as pl
from deltalake.exceptions import DeltaError

from contracts.errors import TransientError

TRANSIENT: Final = (TransientError, DeltaError, OSError, pl.exceptions.ComputeError)

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MOST_S: Final = 15.0


async def patiently(
    app: Any, attempt: Callable[[], Awaitable[None]], waiting: Callable[[str, float], None]
) -> bool:
    """Try until it works; False when the app stops first. `waiting` is told the problem and the pause, and
    an empty problem once it works again. Errors that are not transient are raised."""
    pause = BACKOFF_FIRST_S
    while not app.should_stop:
        try:
            await attempt()
        except TRANSIENT as error:
            waiting(str(error) if isinstance(error, TransientError) else type(error).__name__, pause)
            await app.sleep(pause)
            pause = min(pause * 2, BACKOFF_MOST_S)
        else:
            if pause > BACKOFF_FIRST_S:
                waiting("", 0.0)
            return True
    return False
