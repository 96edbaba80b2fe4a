"""Gold sets: items with the label people gave them, to measure a judge against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import polars as pl

from contracts.errors import EventInvalid, LabelsInvalid
from contracts.events import Message
from contracts.messages import normalize, text_message
from contracts.settings import PrivacySettings
from curation.judge.epoch import stable_hash
from curation.judge.gold import (
    adjudicated_ids,
    annotation_labels,
    current_annotations,
    gold_in_force,
)
from curation.judge.judgeable import judgeable
from curation.judge.labels import Decision, Label, by_item, item_of, read_label, settle
from curation.judge.verdicts import Evidence, FailureKind, JudgeItem
from curation.judging import judge_items
from sinks.lake import Lake

TIED: Final = "tied"
UNDECIDED: Final = "undecided"
NOT_IN_LAKE: Final = "not_in_lake"
UNLABELLED: Final = "unlabelled"
REPEATED: Final = "same_content"
OTHER_FEATURE: Final = "other_feature"

UNKNOWN_SCORE: Final = 0.5
"""Failure score of an item of a file that names none: nothing is known either way."""


@dataclass(frozen=True, kw_only=True)
class GoldItem:
    """One item with its gold label. ``failed`` and ``passed``: how many people said so, 0 when not known.

    ``user_key`` and ``feature`` are those of the request, None for items of a file.
    """

    item: JudgeItem
    label: Decision
    kind: FailureKind | None = None
    failed: int = 0
    passed: int = 0
    user_key: str | None = None
    feature: str | None = None


@dataclass(frozen=True)
class GoldSet:
    """Items to measure a judge against, where they come from, and what was set aside by reason."""

    items: list[GoldItem]
    source: str
    set_aside: Mapping[str, int] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Stable hash of contents and labels, whatever their order."""
        return stable_hash(sorted([g.item.content_hash, g.label, g.kind or ""] for g in self.items))

    def some(self, limit: int | None) -> GoldSet:
        """A random part of at most ``limit`` items, the same for the same set (drawn by content hash)."""
        if limit is None or limit >= len(self.items):
            return self
        drawn = sorted(self.items, key=lambda g: g.item.content_hash)[:limit]
        return GoldSet(drawn, self.source, self.set_aside)


Wanted = Callable[[str], bool]
"""Whether items of a feature belong to the set."""


def gold_from_lake(lake: Lake, privacy: PrivacySettings, *, wanted: Wanted | None = None) -> GoldSet:
    """The labels in force (`gold_labels`), or, when there are none, what annotators agree on.

    ``wanted`` picks features.
    """
    gold = gold_in_force(lake)
    annotations = current_annotations(lake, list(gold.labels) if gold.labels else None)
    labels = annotation_labels(annotations, adjudicated_ids(gold)) if annotations.height else []
    people = by_item([(0, label) for label in labels])
    aside: Counter[str] = Counter()
    if gold.labels:
        source = "gold_labels"
        found = {
            name: _Named(label=g.label, kind=g.failure_kind, people=people.get(name, []))
            for name, g in gold.labels.items()
        }
    else:
        source = "annotations"
        found = _settled(people, aside)
    rows = judgeable(lake, list(found), privacy)
    aside[NOT_IN_LAKE] += len(found) - rows.height
    if wanted is not None:
        kept = rows.filter(pl.Series([wanted(feature) for feature in rows["feature"]], dtype=pl.Boolean))
        aside[OTHER_FEATURE] += rows.height - kept.height
        rows = kept
    return _gold_set(_items(rows, found), source, aside)


def gold_from_records(
    lake: Lake,
    records: Sequence[Mapping[str, Any]],
    *,
    lines: Sequence[int],
    source: str,
    privacy: PrivacySettings,
) -> GoldSet:
    """Gold of a file: one record per label: `request_id` (or another id), `label`, `failure_kind`, `rater`.

    Requests the lake holds are judged as the lake has them, with their evidence; others by their own
    `messages` and `response` (or `prompt` and `response`), `tools` and `failure_score`. Raises
    `LabelsInvalid` naming the line.
    """
    aside: Counter[str] = Counter()
    labels: list[tuple[int, Label]] = []
    own: dict[str, JudgeItem] = {}
    for record, line in zip(records, lines, strict=True):
        label = read_label(record, line)
        if label is None:
            aside[UNLABELLED] += 1
            continue
        labels.append((line, label))
        if (item := own_item(record, line)) is not None:
            own.setdefault(item.request_id, item)
    found = _settled(by_item(labels), aside)
    items = _items(judgeable(lake, list(found), privacy), found)
    held = {gold.item.request_id for gold in items}
    for name, settled in found.items():
        if name not in held and name in own:
            items.append(settled.on(own[name]))
    aside[NOT_IN_LAKE] += len(found) - len(items)
    return _gold_set(items, source, aside)


def own_item(record: Mapping[str, Any], line: int) -> JudgeItem | None:
    """The conversation a record carries itself; None when it carries none.

    `messages` are the turns up to the response ({role, content} or {role, parts}); without `response` their
    last turn is the response. Raises `LabelsInvalid`.
    """
    response = record.get("response")
    if (given := record.get("messages")) is not None:
        turns = _messages(given, line, "messages")
    elif isinstance(prompt := record.get("prompt"), str):
        turns = [text_message("user", prompt)]
    else:
        return None
    if response is None:
        turns, output = turns[:-1], turns[-1:]
    else:
        output = (
            [text_message("assistant", response)]
            if isinstance(response, str)
            else _messages(response, line, "response")
        )
    if not turns or not output:
        raise LabelsInvalid(
            f"line {line}: a conversation needs a question and a response",
            hint="Give `messages` and `response`, or `prompt` and `response`.",
        )
    score = record.get("failure_score")
    return JudgeItem(
        request_id=item_of(record, line),
        input_messages=turns,
        output_messages=output,
        tools=_json(record.get("tools")) or None,
        evidence=Evidence(
            failure_score=UNKNOWN_SCORE if score is None else _probability(score, line),
            features=_features(record.get("evidence"), line),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Named:
    """A gold label before its item is known, and what each person said."""

    label: Decision
    kind: FailureKind | None
    people: Sequence[Label]

    def on(self, item: JudgeItem, *, user_key: str | None = None, feature: str | None = None) -> GoldItem:
        said = settle(self.people)
        return GoldItem(
            item=item,
            label=self.label,
            kind=self.kind,
            failed=said.failed,
            passed=said.passed,
            user_key=user_key,
            feature=feature,
        )


def _settled(people: Mapping[str, Sequence[Label]], aside: Counter[str]) -> dict[str, _Named]:
    found = {}
    for name, labels in people.items():
        settled = settle(labels)
        if settled.label is None:
            aside[TIED if settled.failed else UNDECIDED] += 1
        else:
            found[name] = _Named(label=settled.label, kind=settled.kind, people=labels)
    return found


def _items(rows: pl.DataFrame, found: Mapping[str, _Named]) -> list[GoldItem]:
    about = rows.select("user_key", "feature").iter_rows()
    return [
        found[item.request_id].on(item, user_key=user_key, feature=feature)
        for item, (user_key, feature) in zip(judge_items(rows), about, strict=True)
    ]


def _gold_set(items: Sequence[GoldItem], source: str, aside: Counter[str]) -> GoldSet:
    """One item per content: equal ones would count as independent observations."""
    distinct = {gold.item.content_hash: gold for gold in reversed(items)}
    kept = sorted(distinct.values(), key=lambda gold: gold.item.request_id)
    aside[REPEATED] += len(items) - len(kept)
    return GoldSet(kept, source, {reason: n for reason, n in sorted(aside.items()) if n})


def _messages(value: Any, line: int, name: str) -> list[Message]:
    try:
        messages = msgspec.convert(_json(value), list[Message])
        return normalize(messages, None, role="user", field=name) or []
    except (msgspec.ValidationError, EventInvalid):
        raise LabelsInvalid(
            f"line {line}: {name} is no list of messages",
            hint='Write [{"role": "user", "content": "…"}, …].',
        ) from None


def _json(value: Any) -> Any:
    """A nested value; files without nesting (CSV) hold it as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value) if value.strip() else None
    except msgspec.DecodeError:
        return value


def _probability(value: Any, line: int) -> float:
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise LabelsInvalid(
        f"line {line}: failure_score is not between 0 and 1", hint="Leave it out when unknown."
    )


def _features(value: Any, line: int) -> dict[str, Any]:
    features = _json(value)
    if features is None:
        return {}
    if isinstance(features, dict) and all(isinstance(v, str | int | float | None) for v in features.values()):
        return features
    raise LabelsInvalid(
        f"line {line}: evidence is no object of plain values",
        hint='Write {"thumbs": -1, …} with names of columns of table interactions, or leave it out.',
    )
