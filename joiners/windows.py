"""Windows: light rows of recent events, held until their horizon has passed.

Pure: watermarks come as arguments. A request at time t is due when the watermark of its partition
reaches t + horizon; every event is kept until the watermark reaches its own time + horizon. So
memory and the Kafka offset to restart from are bounded by the horizon, however long a session lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from contracts.tables import frame_schema
from joiners.light import OUTCOME_COLUMNS, REQUEST_COLUMNS, SIGNAL_COLUMNS
from joiners.segments import Segments

KINDS: Final = ("requests", "signals", "outcomes")
IDENTITY: Final = {"requests": "request_id", "signals": "event_id", "outcomes": "event_id"}
"""What makes two events of a kind the same event."""

_KEYS: Final = {
    "requests": ("request_id", "session_id"),
    "signals": ("event_id", "session_id", "request_id"),
    "outcomes": ("event_id", "session_id", "request_id"),
}
"""Columns by which rows are looked for."""


def _empty(kind: str, columns: Iterable[str]) -> pl.DataFrame:
    texts = {name: pl.String() for name in ("ending", "prompt_text", "response_text")}
    known = frame_schema(kind)
    schema = {name: texts.get(name) or known[name] for name in columns}
    # From a schema alone: an expression would start polars' threads, and a process could not fork any more.
    return pl.DataFrame(schema={**schema, "settled": pl.Boolean} if kind == "requests" else schema)


EMPTY: Final = {
    "requests": _empty("requests", REQUEST_COLUMNS),
    "signals": _empty("signals", SIGNAL_COLUMNS),
    "outcomes": _empty("outcomes", OUTCOME_COLUMNS),
}
"""Empty light frames; requests carry `settled`: already joined, kept as context only."""


@dataclass(frozen=True, slots=True)
class Due:
    """Requests whose window closed, and the rows their join needs."""

    requests: pl.DataFrame
    context: pl.DataFrame
    signals: pl.DataFrame
    outcomes: pl.DataFrame


def window_closed(watermarks: Mapping[int, int], horizon_us: int) -> pl.Expr:
    """Whether the watermark of a row's `partition` has reached its `occurred_at` + horizon.

    False where the partition has no watermark. Times are UTC microseconds.
    """
    if not watermarks:
        return pl.lit(value=False)
    limit = pl.col("partition").replace_strict(
        list(watermarks), list(watermarks.values()), default=None, return_dtype=pl.Int64
    )
    return (pl.col("occurred_at").dt.epoch("us") + horizon_us <= limit).fill_null(value=False)


class Window:
    """Open windows of the partitions a worker owns."""

    def __init__(self, *, horizon_us: int, empty: Mapping[str, pl.DataFrame] = EMPTY) -> None:
        """`empty`: frames without rows of the columns to hold; at least ids, times, places and `settled`."""
        self._horizon_us = horizon_us
        self._empty = dict(empty)
        self._held = {kind: Segments(empty[kind], _KEYS[kind]) for kind in KINDS}

    @property
    def frames(self) -> Mapping[str, list[pl.DataFrame]]:
        """The rows held, by kind."""
        return {kind: segments.frames for kind, segments in self._held.items()}

    def __len__(self) -> int:
        """Open requests."""
        return sum(int((~rows["settled"]).sum()) for rows in self._held["requests"].frames)

    def requests_of(self, sessions: pl.Series, requests: pl.Series) -> pl.DataFrame:
        """Requests held with one of these sessions or ids, settled ones too. Any thread may look."""
        return self._held["requests"].find({"session_id": sessions, "request_id": requests})

    def held(self) -> int:
        """Rows held of any kind."""
        return sum(segments.height for segments in self._held.values())

    def seen(self, kind: str, frame: pl.DataFrame) -> pl.Series:
        """Which rows of a batch repeat an id held here or earlier in the batch (boolean)."""
        key = IDENTITY[kind]
        ids = frame[key]
        held = self._held[kind].find({key: ids})[key]
        return ids.is_in(held.implode()) | ~ids.is_first_distinct()

    def add(self, kind: str, light: pl.DataFrame, *, settled: pl.Series | None = None) -> None:
        """Hold light rows that `seen` found new. `settled` (ids) marks requests already joined."""
        if kind == "requests":
            done = (
                pl.col("request_id").is_in(settled.implode()) if settled is not None else pl.lit(value=False)
            )
            light = light.with_columns(settled=done)
        self._held[kind].add(light)

    def due(self, watermarks: Mapping[int, int]) -> Due:
        """Requests that the watermarks close, with everything of their sessions. Marks them settled."""
        closed = ~pl.col("settled") & window_closed(watermarks, self._horizon_us)
        parts = []
        for segment in self._held["requests"].touched(self._limits(watermarks)):
            rows = segment.rows.with_columns(closed=closed)
            parts.append(rows.filter("closed").drop("closed"))
            segment.rows = rows.with_columns(settled=pl.col("settled") | pl.col("closed")).drop("closed")
        due = pl.concat([self._empty["requests"], *parts])
        if due.is_empty():
            return Due(due, due, self._empty["signals"], self._empty["outcomes"])
        sessions, ids = due["session_id"].unique(), due["request_id"]
        of_sessions = self._held["requests"].find({"session_id": sessions})
        return Due(
            due,
            of_sessions.join(due.select("request_id"), on="request_id", how="anti", maintain_order="left"),
            *(
                self._held[kind].find({"session_id": sessions, "request_id": ids})
                for kind in ("signals", "outcomes")
            ),
        )

    def evict(self, watermarks: Mapping[int, int]) -> dict[str, int]:
        """Drop rows whose own horizon has passed; returns how many of each kind."""
        passed = window_closed(watermarks, self._horizon_us)
        limits = self._limits(watermarks)
        return {kind: segments.drop(limits, passed) for kind, segments in self._held.items()}

    def revoke(self, partitions: Iterable[int]) -> None:
        """Forget partitions that another worker owns now."""
        gone = list(partitions)
        for segments in self._held.values():
            segments.keep(~pl.col("partition").is_in(gone))

    def hold_back(self) -> dict[tuple[str, int], int]:
        """Lowest offset still held, per (kind, partition): where a restart must read from."""
        return {
            (kind, partition): offset
            for kind, segments in self._held.items()
            for partition, offset in segments.lowest().items()
        }

    def _limits(self, watermarks: Mapping[int, int]) -> dict[int, int]:
        """Event times up to which the horizon of a partition's rows has passed."""
        return {partition: watermark - self._horizon_us for partition, watermark in watermarks.items()}
