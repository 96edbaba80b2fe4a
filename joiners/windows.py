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

KINDS: Final = ("requests", "signals", "outcomes")
IDENTITY: Final = {"requests": "request_id", "signals": "event_id", "outcomes": "event_id"}
"""What makes two events of a kind the same event."""


def _empty(kind: str, columns: Iterable[str]) -> pl.DataFrame:
    texts = {name: pl.String() for name in ("ending", "prompt_text", "response_text")}
    schema = frame_schema(kind)
    frame = pl.DataFrame(schema={c: texts.get(c) or schema[c] for c in columns})
    return frame.with_columns(settled=pl.lit(value=False)) if kind == "requests" else frame


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
        self._frames = dict(empty)

    @property
    def frames(self) -> Mapping[str, pl.DataFrame]:
        """The rows held, by kind."""
        return self._frames

    def __len__(self) -> int:
        """Open requests."""
        return int((~self._frames["requests"]["settled"]).sum())

    def held(self) -> int:
        """Rows held of any kind."""
        return sum(frame.height for frame in self._frames.values())

    def seen(self, kind: str, frame: pl.DataFrame) -> pl.Series:
        """Which rows of a batch repeat an id held here or earlier in the batch (boolean)."""
        key = IDENTITY[kind]
        ids = frame[key]
        return ids.is_in(self._frames[kind][key].implode()) | ~ids.is_first_distinct()

    def add(self, kind: str, light: pl.DataFrame, *, settled: pl.Series | None = None) -> None:
        """Hold light rows that `seen` found new. `settled` (ids) marks requests already joined."""
        if light.is_empty():
            return
        if kind == "requests":
            done = (
                pl.col("request_id").is_in(settled.implode()) if settled is not None else pl.lit(value=False)
            )
            light = light.with_columns(settled=done)
        self._frames[kind] = pl.concat([self._frames[kind], light.select(self._frames[kind].columns)])

    def due(self, watermarks: Mapping[int, int]) -> Due:
        """Requests that the watermarks close, with everything of their sessions. Marks them settled."""
        requests = self._frames["requests"]
        closed = requests.select((~pl.col("settled") & self._passed(watermarks, requests)).alias("closed"))[
            "closed"
        ]
        due = requests.filter(closed)
        if due.is_empty():
            return Due(due, due, self._empty["signals"], self._empty["outcomes"])
        self._frames["requests"] = requests.with_columns(settled=pl.col("settled") | closed)
        sessions = due.select("session_id").unique()
        ids = due.select("request_id")
        context = requests.filter(~closed).join(sessions, on="session_id", how="semi")
        return Due(
            due, context, self._evidence("signals", sessions, ids), self._evidence("outcomes", sessions, ids)
        )

    def _evidence(self, kind: str, sessions: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
        frame = self._frames[kind]
        by_session = pl.col("session_id").is_in(sessions["session_id"].implode())
        by_request = pl.col("request_id").is_in(ids["request_id"].implode())
        return frame.filter(by_session.fill_null(value=False) | by_request.fill_null(value=False))

    def evict(self, watermarks: Mapping[int, int]) -> dict[str, int]:
        """Drop rows whose own horizon has passed; returns how many of each kind."""
        dropped = {}
        for kind, frame in self._frames.items():
            kept = frame.filter(~self._passed(watermarks, frame))
            dropped[kind] = frame.height - kept.height
            self._frames[kind] = kept
        return dropped

    def revoke(self, partitions: Iterable[int]) -> None:
        """Forget partitions that another worker owns now."""
        gone = list(partitions)
        for kind, frame in self._frames.items():
            self._frames[kind] = frame.filter(~pl.col("partition").is_in(gone))

    def hold_back(self) -> dict[tuple[str, int], int]:
        """Lowest offset still held, per (kind, partition): where a restart must read from."""
        result = {}
        for kind, frame in self._frames.items():
            lowest = frame.group_by("partition").agg(pl.col("offset").min())
            result.update({(kind, p): o for p, o in lowest.iter_rows()})
        return result

    def _passed(self, watermarks: Mapping[int, int], frame: pl.DataFrame) -> pl.Expr:
        """Whether the watermark of a row's partition has reached the row's time + horizon."""
        return pl.lit(value=False) if frame.is_empty() else window_closed(watermarks, self._horizon_us)
