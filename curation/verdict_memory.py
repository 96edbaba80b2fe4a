"""What judges remember between questions, processes and nights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any

import polars as pl

from contracts.tables import frame_schema
from curation.judge.verdicts import UnjudgedReason
from curation.judging import Origin
from sinks.judge_journal import JudgeJournal
from sinks.judgments import JudgmentIndex, store_judgments
from sinks.lake import Lake

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

Asked = tuple[str, str, str]
"""A question to a judge: epoch, content hash, request id."""


@dataclass
class Memory:
    """Table `judgments` with its index, and the journal of what was paid and is not in it yet.

    `judged_at_us`: the clock at which verdicts are made, UTC microseconds. `journal`: None where a kill may
    lose the verdicts since the last append. `known_index`: one that an
    earlier memory of this table built, which saves reading it again. `unjudged`: what `leave` was told.
    """

    lake: Lake
    judged_at_us: int
    journal: JudgeJournal | None = None
    origin: Origin = "nightly"
    known_index: InitVar[JudgmentIndex | None] = None
    index: JudgmentIndex = field(init=False)
    unjudged: dict[Asked, str] = field(default_factory=dict)

    def __post_init__(self, known_index: JudgmentIndex | None) -> None:
        self.index = known_index or JudgmentIndex(self.lake)

    def settle(self) -> None:
        """Store what a process that was killed had paid for. Raises as `store_judgments`."""
        if self.journal is not None:
            self.journal.settle(self.lake, index=self.index)

    def known(self, epoch: str, contents: Sequence[str]) -> pl.DataFrame:
        """Rows of an epoch with one of these content hashes."""
        wanted = pl.DataFrame({"content_hash": contents}, schema={"content_hash": pl.String()})
        return self.index.held(wanted.with_columns(epoch=pl.lit(epoch)))

    def note(self, row: Mapping[str, Any]) -> None:
        """Keep a paid row until it is stored."""
        if self.journal is not None:
            self.journal.note(row)

    def leave(self, epoch: str, content_hash: str, request_id: str, reason: UnjudgedReason | None) -> None:
        """Note that a question stays without a verdict this time."""
        self.unjudged[epoch, content_hash, request_id] = str(reason) if reason else ""

    def store(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store rows (each once, whatever is there already) and forget what was noted of them."""
        if rows:
            frame = pl.DataFrame(list(rows), schema=frame_schema("judgments"), infer_schema_length=None)
            store_judgments(self.lake, frame, index=self.index)
        if self.journal is not None:
            self.journal.clear()
