"""What a benchmark says while it runs: one line on stderr that changes, or plain lines when piped."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.status import Status


class Progress:
    """Shows the current step on stderr; results go to stdout."""

    def __init__(self, *, quiet: bool = False) -> None:
        """`quiet`: say nothing (tests)."""
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._status: Status | None = None
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        if self._console.is_terminal and not self._console.quiet:
            self._status = self._console.status("starting")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()
            self._status = None

    def note(self, text: str) -> None:
        """What is being done now."""
        if self._status:
            self._status.update(text)
        else:
            self._console.print(f"{time.monotonic() - self._started:6.1f} s  {text}", markup=False)

    def result(self, text: str) -> None:
        """A result worth keeping on the screen."""
        self._console.print(f"{time.monotonic() - self._started:6.1f} s  {text}", markup=False)
