"""The accounting identity: every consumed event is exactly one of six things.

``consumed = joined + pending + duplicate + late + orphan + dead_letter``, computed from the lake alone,
so it holds whatever crashed or was replayed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import polars as pl

from joiners.attribution import attribute
from joiners.windows import window_closed
from sinks.lake import Lake

EVIDENCE: Final = ("signals", "outcomes")


@dataclass(frozen=True, slots=True)
class Accounting:
    """Counts of consumed events by what became of them.

    joined: requests that are interactions, evidence in them, and consent changes (they need no
    partner). pending: still waiting in a window. duplicate: repeats of an id. late: evidence of a
    settled request that `settle` has not folded in yet. orphan: evidence whose window closed without
    a request. dead_letter: unusable, kept with the reason.
    """

    joined: int = 0
    pending: int = 0
    duplicate: int = 0
    late: int = 0
    orphan: int = 0
    dead_letter: int = 0

    @property
    def consumed(self) -> int:
        """All consumed events."""
        return sum(asdict(self).values())

    def as_dict(self) -> dict[str, int]:
        """`consumed` followed by its parts."""
        return {"consumed": self.consumed, **asdict(self)}


def account(lake: Lake, *, horizon_us: int) -> Accounting:
    """Classify every event in the lake."""
    watermarks = lake.watermarks()
    interactions = lake.interactions().select("request_id", "signal_ids", "outcome_ids").collect()
    settled = interactions.select("request_id")
    requests = lake.requests().select("request_id", "session_id", "occurred_at").collect()
    joined = requests.join(settled, on="request_id", how="semi").height
    pending = requests.height - joined
    late = orphan = 0
    for kind in EVIDENCE:
        ids = interactions.select(event_id=pl.col(f"{kind[:-1]}_ids").explode()).drop_nulls().unique()
        events = (
            lake.events(kind)
            .select("event_id", "session_id", "request_id", "occurred_at", "partition")
            .collect()
        )
        loose = events.join(ids, on="event_id", how="anti")
        joined += events.height - loose.height
        found = attribute(requests, loose)
        known = found.filter(pl.col("target").is_not_null())
        kind_late = known.join(settled, left_on="target", right_on="request_id", how="semi").height
        waiting = _waiting(found.filter(pl.col("target").is_null()), watermarks, horizon_us)
        late += kind_late
        pending += known.height - kind_late + waiting
        orphan += loose.height - known.height - waiting
    consents = lake.consents().select(pl.len()).collect().item()
    stored = sum(_height(lake.sound(name)) for name in ("requests", *EVIDENCE, "consents"))
    distinct = joined + consents + pending + late + orphan
    return Accounting(
        joined=joined + consents,
        pending=pending,
        duplicate=stored - distinct,
        late=late,
        orphan=orphan,
        dead_letter=_height(lake.scan("dead_letters")),
    )


def _height(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect().item())


def _waiting(events: pl.DataFrame, watermarks: dict[int, int], horizon_us: int) -> int:
    """Events without a request whose own window is still open."""
    return events.filter(~window_closed(watermarks, horizon_us)).height
