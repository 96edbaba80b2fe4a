"""Anchors: items kept with their texts, to be judged again and again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import polars as pl

from contracts.messages import decode_messages, encode_messages
from contracts.tables import frame_schema
from curation.judge.gold_items import GoldItem
from curation.judge.verdicts import Evidence, JudgeItem
from sinks.lake import Lake
from sinks.transactions import append_new

FROM_GOLD: Final = "gold"


def add_anchors(lake: Lake, gold: Sequence[GoldItem], *, source: str, now_us: int) -> int:
    """Keep items as anchors, texts included; returns how many are new.

    `now_us` is the clock, UTC microseconds. A lake of an older release gets the table first.
    """
    if not lake.exists("judge_anchors"):
        lake.create()
    if not gold:
        return 0
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    rows = [_row(each, source, now) for each in gold]
    frame = pl.DataFrame(rows, schema=frame_schema("judge_anchors"), infer_schema_length=None)
    return append_new(lake, "judge_anchors", frame, key="anchor_id")


def anchors(lake: Lake) -> pl.DataFrame:
    """All anchors (columns of `judge_anchors`), ordered by id; none in a lake without the table."""
    if not lake.exists("judge_anchors"):
        return pl.DataFrame(schema=frame_schema("judge_anchors"))
    rows = lake.scan("judge_anchors").collect()
    return rows.unique("anchor_id", keep="first", maintain_order=True).sort("anchor_id")


def anchor_items(rows: pl.DataFrame) -> list[JudgeItem]:
    """What the judge sees of anchors, in row order; the content hash of each is its anchor id."""
    return [
        JudgeItem(
            request_id=row["request_id"],
            input_messages=decode_messages(row["input_messages"]),
            output_messages=decode_messages(row["output_messages"]),
            tools=None if row["tools"] is None else msgspec.json.decode(row["tools"]),
            evidence=_evidence(row["evidence"]),
        )
        for row in rows.iter_rows(named=True)
    ]


def balanced(gold: Sequence[GoldItem], count: int) -> list[GoldItem]:
    """About half failures, half others (as far as there are), drawn by content hash: the same every time."""
    by_label = {
        label: sorted((g for g in gold if g.label == label), key=lambda g: g.item.content_hash)
        for label in ("fail", "pass")
    }
    few = min(by_label.values(), key=len)
    half = min(len(few), count // 2)
    drawn = few[:half]
    many = by_label["pass" if few is by_label["fail"] else "fail"]
    return [*drawn, *many[: count - half]]


def _row(gold: GoldItem, source: str, now: datetime) -> dict[str, Any]:
    item = gold.item
    tools = None if item.tools is None else msgspec.json.encode(item.tools, order="deterministic").decode()
    return {
        "anchor_id": item.content_hash,
        "request_id": item.request_id,
        "user_key": gold.user_key,
        "feature": gold.feature,
        "input_messages": encode_messages(item.input_messages),
        "output_messages": encode_messages(item.output_messages),
        "tools": tools,
        "evidence": msgspec.json.encode(item.evidence.canonical(), order="deterministic").decode(),
        "label": gold.label,
        "source": source,
        "added_at": now,
    }


def _evidence(stored: str) -> Evidence:
    value = msgspec.json.decode(stored)
    return Evidence(
        failure_score=value["failure_score"],
        failure_hint=value["failure_hint"],
        contributions=value["contributions"],
        features=value["features"],
    )
