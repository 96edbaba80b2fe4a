"""The right answer, from the generated events alone, and how many joined rows differ from it.

A plain batch join that shares no code with `joiners`: evidence that names a request belongs to it;
other evidence belongs to the latest request of its session at or before it (ties: the greater id);
it counts when it lies within [t, t + horizon] of that request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import polars as pl

from contracts import topics

HORIZON_MS: Final = 30 * 60_000

JOINED: Final = pl.Schema(
    {
        "request_id": pl.String(),
        "signal_ids": pl.List(pl.String()),
        "outcome_ids": pl.List(pl.String()),
    }
)
"""What every candidate must produce, one row per request; the order inside the lists is free."""


class _Light(msgspec.Struct, gc=False):
    event_id: str
    session_id: str
    occurred_at: int
    request_id: str | None = None


class Traffic:
    """Ids and times of generated events."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Light).decode
        self._rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in topics.JOINED_TOPICS}

    def watch(self, records: Iterable[tuple[str, bytes, bytes]]) -> Iterator[tuple[str, bytes, bytes]]:
        """Pass records on, remembering what the join will need of them."""
        rows, decode = self._rows, self._decode
        for record in records:
            event = decode(record[2])
            rows[record[0]].append((event.event_id, event.session_id, event.request_id, event.occurred_at))
            yield record

    def expected(self, horizon_ms: int = HORIZON_MS) -> pl.DataFrame:
        """The joined rows these events must give (schema `JOINED`)."""
        requests = self._frame(topics.REQUESTS).select("request_id", "session_id", start="occurred_at")
        result = requests.select("request_id")
        for topic, column in ((topics.SIGNALS, "signal_ids"), (topics.OUTCOMES, "outcome_ids")):
            found = _belonging(requests, self._frame(topic), horizon_ms)
            result = result.join(
                found.group_by("request_id").agg(pl.col("event_id").sort().alias(column)),
                on="request_id",
                how="left",
            )
        return result.with_columns(pl.col("signal_ids", "outcome_ids").fill_null([])).match_to_schema(JOINED)

    def _frame(self, topic: str) -> pl.DataFrame:
        schema = {
            "event_id": pl.String(),
            "session_id": pl.String(),
            "request_id": pl.String(),
            "occurred_at": pl.Int64(),
        }
        return pl.DataFrame(self._rows[topic], schema=schema, orient="row")


def _belonging(requests: pl.DataFrame, evidence: pl.DataFrame, horizon_ms: int) -> pl.DataFrame:
    """Evidence (`event_id`) with the `request_id` it counts for; the rest is left out."""
    named = evidence.filter(pl.col("request_id").is_not_null()).join(
        requests.select("request_id", "start"), on="request_id"
    )
    unnamed = (
        evidence.filter(pl.col("request_id").is_null())
        .drop("request_id")
        .join(requests, on="session_id")
        .filter(pl.col("start") <= pl.col("occurred_at"))
        .sort("start", "request_id")
        .group_by("event_id")
        .agg(pl.col("request_id", "start", "occurred_at").last())
    )
    columns = ["event_id", "request_id", "start", "occurred_at"]
    both = pl.concat([named.select(columns), unnamed.select(columns)])
    return both.filter((pl.col("occurred_at") - pl.col("start")).is_between(0, horizon_ms))


def wrong_rows(expected: pl.DataFrame, actual: pl.DataFrame) -> int:
    """Rows missing + rows too many (repeats included) + rows whose evidence differs."""
    missing = expected.join(actual, on="request_id", how="anti").height
    unknown = actual.join(expected, on="request_id", how="anti").height
    repeats = actual.height - actual["request_id"].n_unique()
    once = actual.unique("request_id", keep="first", maintain_order=True)
    both = expected.join(once, on="request_id", suffix="_actual").with_columns(
        # A missing list is no evidence; without this a null would compare as neither equal nor different.
        pl.col("^(signal|outcome)_ids.*$").fill_null([]).list.sort()
    )
    different = both.filter(
        (pl.col("signal_ids") != pl.col("signal_ids_actual"))
        | (pl.col("outcome_ids") != pl.col("outcome_ids_actual"))
    ).height
    return missing + unknown + repeats + different
