"""What a build reads, where it works, and who is told how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from contracts.errors import TerminalError
from curation import candidates
from curation.engine import Engine
from sinks.drops.marks import in_force
from sinks.evals import active_sets
from sinks.lake import Lake
from sinks.pinned_lake import PinnedLake, newest_versions
from sinks.quarantine import released

DECIDED: Final = ("releases", "drops", "drop_marks", "calibrations", "judge_anchors", "judge_anchor_runs")
"""Tables a build reads decisions from that its manifest states in full (`releases`, `earlier_drops`,
`authority`): a rebuild takes them from there."""

NEEDED: Final = (
    *candidates.INPUT_TABLES,
    *("dead_letters", "eval_sets", "eval_items", "gold_labels", "examples", "example_sketches"),
)
"""Tables whose rows a build, and a rebuild, reads; `judgments` besides, which the build itself adds to."""


class Progress(Protocol):
    """Told how far a part of the build is."""

    def __call__(self, part: str, done: int, total: int) -> None:
        """So much of the part is done."""


def silent(part: str, done: int, total: int) -> None:
    """No progress is shown."""


@dataclass(frozen=True)
class Sources:
    """What a build reads: a lake at pinned table versions, as of a time.

    lake: every table as it was, to be read only. versions: those of the inputs in which rows changed last,
    which are part of a drop's identity; reads: those that are read, of every table. evals: the eval sets in
    force (rows of `eval_sets`). released: quarantine ids that people let pass. earlier: drops of the same
    channel with an earlier as-of time: what they hold is not new.
    """

    lake: Lake
    versions: Mapping[str, int]
    as_of: datetime
    evals: pl.DataFrame
    released: frozenset[str]
    earlier: tuple[str, ...]
    reads: Mapping[str, int | None]

    @classmethod
    def pin(cls, lake: Lake, channel: str, as_of: datetime | None = None) -> Sources:
        """The lake now, as of a time or its newest event; raises `TerminalError` when it is empty."""
        reads = newest_versions(lake, (*NEEDED, *DECIDED))
        lake = PinnedLake(lake, reads)
        versions = {name: lake.content_version(name) for name in candidates.INPUT_TABLES}
        as_of = as_of or candidates.latest_event(lake, versions)
        if as_of is None:
            raise TerminalError(
                "the lake holds no interactions yet",
                hint="Send events (`tailrace simulate`, `tailrace replay`) and run `tailrace worker` first.",
            )
        before = lake.scan("drops").filter(pl.col("channel") == channel, pl.col("as_of") < as_of)
        earlier = tuple(in_force(lake, before).select("drop_id").collect()["drop_id"].sort())
        return cls(lake, versions, as_of, active_sets(lake), released(lake), earlier, reads)

    def sketches(self) -> pl.LazyFrame:
        """What the earlier drops left of their rows (`example_sketches`)."""
        rows = self.lake.scan("example_sketches")
        return rows.filter(pl.col("drop_id").is_in(list(self.earlier)))


@dataclass(frozen=True)
class Workplace:
    """Where a build works: a folder for texts, an engine, a clock (seconds), somebody to tell."""

    scratch: Path
    engine: Engine
    clock: Callable[[], float]
    progress: Progress = silent
