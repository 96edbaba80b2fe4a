"""Confirmation: the judge looks at the selected rows; what it has judged before is not paid again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import polars as pl

from contracts.messages import decode_messages
from contracts.tables import frame_schema
from curation.deciding import decided
from curation.judge.authority import Authority
from curation.judge.base import Judge
from curation.judge.cache import split_cached
from curation.judge.routing import ROUTED_SCHEMA, routed
from curation.judge.verdicts import Evidence, FailureKind, JudgeItem, Judgment, Verdict
from curation.steps import StepResult, refusals
from sinks.lake import Lake
from sinks.transactions import append_once

CHUNK: Final = 256
"""Verdicts are stored after this many calls, so that a kill does not lose paid work."""

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


def known_verdicts(lake: Lake, epoch: str, contents: Sequence[str]) -> dict[str, Verdict]:
    """Verdicts of one epoch in the `judgments` table for some content hashes, by content hash."""
    wanted = pl.col("content_hash").is_in(contents)
    rows = lake.scan("judgments").filter(pl.col("epoch") == epoch, wanted).collect()
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
    progress: Progress | None = None,
) -> list[Judgment]:
    """A judgment per item, in order; new verdicts are stored chunk by chunk as they come.

    `judged_at_us` is the clock, UTC microseconds.
    """
    epoch = judge.epoch
    distinct = list({item.content_hash: item for item in items}.values())
    known = known_verdicts(lake, epoch.id, [item.content_hash for item in distinct])
    cached, to_judge = split_cached(distinct, known, epoch=epoch.id)
    judged = list(cached)
    for chunk in batched(to_judge, CHUNK):
        fresh = judge.judge(chunk)
        store_verdicts(lake, fresh, judge_name=epoch.name, judged_at_us=judged_at_us)
        judged.extend(fresh)
        if progress:
            progress(len(judged), len(distinct))
    by_content = {judgment.content_hash: judgment for judgment in judged}
    return [replace(by_content[item.content_hash], request_id=item.request_id) for item in items]


def batched(items: Sequence[JudgeItem], size: int) -> list[list[JudgeItem]]:
    """Consecutive chunks of at most `size`."""
    return [list(items[i : i + size]) for i in range(0, len(items), size)]


def store_verdicts(lake: Lake, judgments: Sequence[Judgment], *, judge_name: str, judged_at_us: int) -> int:
    """Append verdicts to `judgments`, one per content; unjudged items leave no row."""
    judged_at = datetime.fromtimestamp(judged_at_us / 1_000_000, UTC)
    rows: dict[str, dict[str, Any]] = {}
    for judgment in judgments:
        if judgment.verdict is not None and judgment.content_hash not in rows:
            rows[judgment.content_hash] = {
                "epoch": judgment.epoch,
                "content_hash": judgment.content_hash,
                "request_id": judgment.request_id,
                "judge": judge_name,
                **msgspec.structs.asdict(judgment.verdict),
                "judged_at": judged_at,
                "date": judged_at.date(),
            }
    if not rows:
        return 0
    frame = pl.DataFrame(list(rows.values()), schema=frame_schema("judgments"), infer_schema_length=None)
    contents = hashlib.sha256("".join(sorted(rows)).encode()).hexdigest()
    return append_once(lake, "judgments", frame, batch_id=f"judgments/{judgments[0].epoch}/{contents}")


@dataclass(frozen=True, slots=True)
class Confirmation(StepResult):
    """Outcome of `confirm`. `to_people`: refused rows somebody should label (`routing.ROUTED_SCHEMA`)."""

    to_people: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ROUTED_SCHEMA))


def confirm(
    rows: pl.DataFrame, judgments: Sequence[Judgment], authority: Authority | None = None
) -> Confirmation:
    """Attach the verdicts that count; rows without one, or with one against the evidence, are refused.

    A failing row must be found `fail` and any other `pass` to go on. Who decides, and what is added:
    `deciding.decided`. Without `authority` every judge decides alone.
    """
    marked = decided(rows, judgments, authority)
    refused = marked.filter(pl.col("reason").is_not_null())
    return Confirmation(
        "confirm",
        marked.filter(pl.col("reason").is_null()).drop("unjudged", "judged", "reason", "detail"),
        refusals("confirm", refused, reason=pl.col("reason"), detail=pl.col("detail")),
        rows.height,
        to_people=routed(refused),
    )
