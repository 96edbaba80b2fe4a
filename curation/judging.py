"""Judging with memory: what `judgments` holds is not asked again, what was paid for is never lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
import polars as pl

from contracts.messages import decode_messages
from contracts.tables import frame_schema
from curation.judge.base import Judge
from curation.judge.cache import split_cached
from curation.judge.verdicts import Evidence, FailureKind, JudgeItem, Judgment, Verdict
from sinks.judge_journal import JudgeJournal
from sinks.judgments import JudgmentIndex, store_judgments
from sinks.lake import Lake

CHUNK: Final = 256
"""Verdicts are stored after this many items where no journal keeps what was paid since."""

CHUNK_JOURNALLED: Final = 1_024
"""The same with a journal: every chunk waits for its slowest call, so fewer are faster."""

Origin = Literal["online", "nightly", "calibration"]
"""Who asks."""

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


def judge_items(rows: pl.DataFrame) -> list[JudgeItem]:
    """What the judge sees of candidate rows, in row order."""
    return [
        JudgeItem(
            request_id=row["request_id"],
            input_messages=decode_messages(row["input_messages"]),
            output_messages=decode_messages(row["output_messages"]),
            tools=None if row["tools"] is None else msgspec.json.decode(row["tools"]),
            evidence=Evidence.from_interaction(row),
        )
        for row in rows.iter_rows(named=True)
    ]


def known_verdicts(index: JudgmentIndex, epoch: str, contents: Sequence[str]) -> dict[str, Verdict]:
    """Verdicts of one epoch in the `judgments` table for some content hashes, by content hash."""
    wanted = pl.DataFrame({"content_hash": contents}, schema={"content_hash": pl.String()})
    return verdicts_in(index.held(wanted.with_columns(epoch=pl.lit(epoch))))


def verdicts_in(rows: pl.DataFrame) -> dict[str, Verdict]:
    """Pointwise verdicts from rows of `judgments`, by content hash."""
    return {
        row["content_hash"]: Verdict(
            verdict=row["verdict"],
            confidence=row["confidence"],
            failure_kind=FailureKind(row["failure_kind"]) if row["failure_kind"] else None,
            severity=row["severity"],
            rationale=row["rationale"],
            improved_response=row["improved_response"],
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cost_usd=row["cost_usd"],
        )
        for row in rows.iter_rows(named=True)
    }


def known_contents(lake: Lake, epoch: str, contents: Iterable[str]) -> set[str]:
    """The content hashes among these that have a verdict of an epoch."""
    wanted = pl.col("content_hash").is_in(list(contents))
    rows = lake.scan("judgments").filter(pl.col("epoch") == epoch, wanted).select("content_hash")
    return set(rows.collect()["content_hash"])


def judge_all(
    lake: Lake,
    judge: Judge,
    items: Sequence[JudgeItem],
    *,
    judged_at_us: int,
    origin: Origin = "nightly",
    journal: JudgeJournal | None = None,
    index: JudgmentIndex | None = None,
    progress: Progress | None = None,
) -> list[Judgment]:
    """A judgment per item, in order; new verdicts are stored chunk by chunk.

    With a `journal` every paid verdict is kept as soon as it arrives, and what a killed process had paid for
    is stored first: after a kill only calls that were in flight are made again. The same holds after an
    error: verdicts that could not be stored are stored by the next call with the same journal.
    `index` is worth keeping between calls. `judged_at_us` is the clock, UTC microseconds. Raises what
    `Judge.judge` and `store_judgments` raise.
    """
    epoch = judge.epoch
    index = index or JudgmentIndex(lake)
    row_of = JudgmentRows(epoch.name, judged_at_us, origin)
    if journal is not None:
        journal.settle(lake, index=index)
    distinct = list({item.content_hash: item for item in items}.values())
    known = known_verdicts(index, epoch.id, [item.content_hash for item in distinct])
    cached, to_judge = split_cached(distinct, known, epoch=epoch.id)
    judged = list(cached)

    done = len(judged)

    def note(judgment: Judgment) -> None:
        nonlocal done
        done += 1
        if journal is not None and judgment.verdict is not None and judgment.spent.calls:
            journal.note(row_of(judgment, judgment.verdict))
        if progress:
            progress(done, len(distinct))

    for chunk in batched(to_judge, chunk_size(judge.at_once, journal)):
        fresh = judge.judge(chunk, on_judgment=note)
        _store(lake, [row_of(j, j.verdict) for j in fresh if j.verdict is not None], index)
        if journal is not None:
            journal.clear()
        judged.extend(fresh)
    by_content = {judgment.content_hash: judgment for judgment in judged}
    return [replace(by_content[item.content_hash], request_id=item.request_id) for item in items]


def chunk_size(at_once: int | None, journal: JudgeJournal | None) -> int:
    """After how many questions answers are stored, where the judge does not say: fewer without a journal."""
    return at_once or (CHUNK if journal is None else CHUNK_JOURNALLED)


def batched(items: Sequence[JudgeItem], size: int) -> list[list[JudgeItem]]:
    """Consecutive chunks of at most `size`."""
    return [list(items[i : i + size]) for i in range(0, len(items), size)]


class JudgmentRows:
    """Makes rows of `judgments`; unjudged items leave none."""

    def __init__(self, judge_name: str, judged_at_us: int, origin: Origin) -> None:
        self._judge_name = judge_name
        self._judged_at = datetime.fromtimestamp(judged_at_us / 1_000_000, UTC)
        self._origin = origin

    def __call__(self, judgment: Judgment, verdict: Verdict) -> dict[str, Any]:
        """The row of a judgment that has this verdict."""
        return {
            "epoch": judgment.epoch,
            "content_hash": judgment.content_hash,
            "request_id": judgment.request_id,
            "origin": self._origin,
            "calls": judgment.spent.calls,
            "judge": self._judge_name,
            **msgspec.structs.asdict(verdict),
            "judged_at": self._judged_at,
            "date": self._judged_at.date(),
        }


def _store(lake: Lake, rows: Sequence[dict[str, Any]], index: JudgmentIndex) -> None:
    if rows:
        frame = pl.DataFrame(rows, schema=frame_schema("judgments"), infer_schema_length=None)
        store_judgments(lake, frame, index=index)
