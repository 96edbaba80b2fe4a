"""The worker's live line at a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.live import Live
from rich.text import Text

from console.terminal import err
from streams.join_pipeline import JoinStats
from streams.status import watermark_text


class LiveLine:
    """Shows events/s, lag, watermark, open windows and dead letters while a worker runs."""

    def __init__(self, stats: Callable[[], JoinStats], *, quiet: bool = False) -> None:
        self._stats = stats
        self._last = (time.monotonic(), 0, 0.0)
        shown = err.is_terminal and not quiet
        self._live = (
            Live(console=err, get_renderable=self._line, refresh_per_second=2, transient=True)
            if shown
            else None
        )

    def __enter__(self) -> LiveLine:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)

    def _line(self) -> Text:
        stats = self._stats()
        then, before, rate = self._last
        now = time.monotonic()
        if now - then >= 1.0:
            rate = (stats.consumed - before) / (now - then)
            self._last = (now, stats.consumed, rate)
        line = (
            f"{stats.consumed:,} events · {rate:,.0f}/s · lag {stats.lag:,} · "
            f"watermark {watermark_text(stats.watermark_us)} · open {stats.open_requests:,} · "
            f"joined {stats.interactions:,} · dead letters {stats.dead_letters:,}"
        )
        return Text(f"{line} · {stats.problem}" if stats.problem else line)
