"""The gate over a lake: what its traffic is like, and the index of the eval sets in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import polars as pl

from contracts.messages import decode_messages, message_text
from curation.contamination.background import learn
from curation.contamination.index import ContaminationIndex
from curation.sampling import uniform
from sinks.evals import active_items
from sinks.lake import Lake

MAX_SESSIONS: Final = 20_000
"""Sessions that are looked at: of more, a sample that is the same for the same lake."""

_SEED: Final = 8
_CHUNK: Final = 2_000


def load_index(
    lake: Lake,
    sets: pl.DataFrame,
    versions: Mapping[str, int],
    as_of: datetime,
    *,
    sessions: int = MAX_SESSIONS,
) -> ContaminationIndex:
    """Index the given eval sets (rows of `sinks.evals.active_sets`) against the traffic of the lake.

    `versions`: pinned Delta versions, of which that of `requests` is used. The same lake, versions and time
    give the same index.
    """
    items = active_items(lake, sets)
    if items.is_empty():
        return ContaminationIndex.build(items)
    bare = ContaminationIndex.build(items)
    background = learn(_sessions(lake, versions["requests"], as_of, sessions), *bare.learnable())
    return bare.with_background(items, background)


def _sessions(lake: Lake, version: int, as_of: datetime, limit: int) -> Iterator[list[str]]:
    """The turns of each sampled session of users: those of its last request, which holds the ones before."""
    last = (
        lake.scan("requests", version=version)
        .filter(~pl.col("duplicate"), pl.col("actor") == "user", pl.col("occurred_at") <= as_of)
        .select("session_id", "occurred_at", "request_id", "date", "partition", "offset")
        .sort("occurred_at", "request_id")
        .unique("session_id", keep="last", maintain_order=True)
        .sort("session_id")
        .collect()
    )
    if last.height > limit:
        drawn = last.with_columns(_draw=uniform(last["session_id"], _SEED))
        last = drawn.sort("_draw", "session_id").head(limit).drop("_draw").sort("date", "session_id")
    for chunk in last.iter_slices(_CHUNK):
        texts = (
            lake.scan("requests", version=version)
            .filter(pl.col("date").is_in(chunk["date"].unique().implode()))
            .select("partition", "offset", "request_id", "input_messages", "output_messages")
            .join(
                chunk.lazy().select("partition", "offset", "request_id"),
                on=["partition", "offset", "request_id"],
            )
            .sort("request_id")
            .select("input_messages", "output_messages")
            .collect()
        )
        for stored in texts.iter_rows():
            messages = [m for text in stored if text is not None for m in decode_messages(text)]
            yield [said for m in messages if (said := message_text(m))]
