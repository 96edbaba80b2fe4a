"""Items, content hashes, the cache split, epochs and answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from contracts.messages import text_message
from curation.judge.answers import AnswerInvalid, VerdictForm
from curation.judge.cache import split_cached
from curation.judge.epoch import JudgeEpoch
from curation.judge.rubrics import load_rubric
from curation.judge.verdicts import Evidence, FailureKind, JudgeItem, Judgment, UnjudgedReason, Verdict
from tests.curation.judge.helpers import item, openai_judge
from tests.curation.judge.server import GOOD

URL = "http://127.0.0.1:9/v1"
FORM = VerdictForm.for_taxonomy(load_rubric().taxonomy)


def test_the_content_hash_covers_what_decides_and_nothing_else() -> None:
    base = item(1, regenerate_count=1)
    same = replace(
        base,
        request_id="other",
        input_messages=list(base.input_messages),
        evidence=replace(
            base.evidence,
            failure_score=0.8 + 1e-12,
            features={"thumbs": None, "regenerate_count": 1},
        ),
    )
    assert same.content_hash == base.content_hash
    changes: list[dict[str, Any]] = [
        {"input_messages": [text_message("user", "x")]},
        {"output_messages": [text_message("assistant", "x")]},
        {"tools": [{"name": "t"}]},
        {"evidence": replace(base.evidence, failure_score=0.7)},
        {"evidence": replace(base.evidence, failure_hint="factual")},
        {"evidence": replace(base.evidence, contributions={})},
        {"evidence": replace(base.evidence, features={"regenerate_count": 2})},
    ]
    hashes = {replace(base, **change).content_hash for change in changes} | {base.content_hash}
    assert len(hashes) == len(changes) + 1


def test_key_order_in_tools_and_evidence_does_not_matter() -> None:
    base = item(1)
    one = replace(base, tools={"a": 1, "b": 2}, evidence=replace(base.evidence, features={"x": 1, "y": 2}))
    two = replace(base, tools={"b": 2, "a": 1}, evidence=replace(base.evidence, features={"y": 2, "x": 1}))
    assert one.content_hash == two.content_hash


def test_evidence_is_read_from_an_interaction_row() -> None:
    row = {
        "failure_score": 0.6,
        "failure_hint": "factual",
        "contributions": [{"signal": "edit", "contribution": 1.5}],
        "edit_ratio": 0.3,
        "thumbs": None,
        "finish_class": "ok",
        "user_key": "u1",
    }
    evidence = Evidence.from_interaction(row)
    assert evidence.observed() == {"edit_ratio": 0.3, "finish_class": "ok"}
    assert evidence.contributions == {"edit": 1.5}
    assert "u1" not in str(evidence)


def test_a_judgment_is_a_verdict_or_a_reason() -> None:
    reference: dict[str, Any] = {"request_id": "r", "content_hash": "h", "epoch": "e"}
    with pytest.raises(ValueError):
        Judgment(**reference)
    with pytest.raises(ValueError):
        Judgment(**reference, verdict=Verdict(verdict="pass", confidence=1.0), reason=UnjudgedReason.BUDGET)


def test_the_cache_split_keeps_every_item_once_and_in_order() -> None:
    items = [item(n) for n in range(6)]
    known = {items[n].content_hash: Verdict(verdict="pass", confidence=0.1 * n) for n in (1, 4)}
    cached, to_judge = split_cached(items, known, epoch="e1")
    assert [j.request_id for j in cached] == ["r1", "r4"]
    assert [i.request_id for i in to_judge] == ["r0", "r2", "r3", "r5"]
    assert all(j.verdict == known[j.content_hash] and j.epoch == "e1" for j in cached)
    assert all(j.spent.calls == 0 for j in cached)


def test_an_epoch_changes_with_everything_that_decides() -> None:
    base = JudgeEpoch(
        kind="openai", model="m", base_url=URL, parameters={"temperature": 0.0, "max_tokens": 9}
    )
    assert len(base.id) == 16
    assert base.id == replace(base, parameters={"max_tokens": 9, "temperature": 0.0}).id
    changes: list[dict[str, Any]] = [
        {"kind": "rules"},
        {"model": "n"},
        {"provider": "p"},
        {"base_url": URL + "x"},
        {"rubric": "r@2"},
        {"rubric_hash": "1"},
        {"prompt_hash": "1"},
        {"schema_hash": "1"},
        {"parameters": {"temperature": 0.1, "max_tokens": 9}},
    ]
    assert len({replace(base, **c).id for c in changes} | {base.id}) == len(changes) + 1


def test_the_llm_epoch_names_the_judge_and_ignores_how_calls_are_made() -> None:
    epoch = openai_judge(URL).epoch
    assert epoch.id == openai_judge(URL + "/", concurrency=2, max_retries=9, timeout_seconds=9).epoch.id
    assert epoch.id != openai_judge(URL, temperature=0.5).epoch.id
    assert epoch.id != openai_judge(URL, model="other").epoch.id
    manifest = epoch.manifest()
    assert manifest["judge"] == "openai:fake"
    assert manifest["provider"] == "127.0.0.1:9"
    assert manifest["rubric"] == "default@1"
    assert json.loads(json.dumps(manifest)) == manifest


def test_the_schema_is_strict_mode_compatible_and_accepts_what_the_parser_accepts() -> None:
    jsonschema.Draft202012Validator.check_schema(FORM.schema)
    assert FORM.schema["additionalProperties"] is False
    assert FORM.schema["required"] == list(FORM.schema["properties"])
    passed = {**GOOD, "verdict": "pass", "failure_kind": None, "severity": None}
    for good in (GOOD, passed):
        jsonschema.validate(good, FORM.schema)
        FORM.parse(json.dumps(good))


@pytest.mark.parametrize(
    "bad",
    [
        {"severity": 6},
        {"severity": "3"},
        {"severity": None},
        {"failure_kind": None},
        {"failure_kind": "novel"},
        {"confidence": 1.5},
        {"confidence": "high"},
        {"verdict": "10/10"},
        {"extra": 1},
        {"rationale": None},
    ],
)
def test_answers_that_do_not_fit_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(AnswerInvalid):
        FORM.parse(json.dumps({**GOOD, **bad}))


@pytest.mark.parametrize("content", ["", "pass", "[]", "{", '{"verdict": "fail"}', "\ud800", "[" * 5000])
def test_what_is_no_answer_is_refused(content: str) -> None:
    with pytest.raises(AnswerInvalid):
        FORM.parse(content)


def test_line_breaks_inside_strings_are_read_as_local_servers_write_them() -> None:
    broken = json.dumps({**GOOD, "rationale": "one. two."}, indent=1).replace("one. two.", "one.\n\ttwo.")
    assert FORM.parse(f"Here:\n{broken}\nDone").rationale == "one.\n\ttwo."


def test_kinds_outside_the_rubric_are_refused() -> None:
    form = VerdictForm.for_taxonomy([FailureKind.OTHER])
    with pytest.raises(AnswerInvalid):
        form.parse(json.dumps(GOOD))


def test_a_pass_carries_no_kind_or_severity() -> None:
    answer = FORM.parse(json.dumps({**GOOD, "verdict": "pass"}))
    assert (answer.failure_kind, answer.severity) == (None, None)


def test_items_may_lack_tools_and_output() -> None:
    bare = JudgeItem(
        request_id="r", input_messages=[], output_messages=[], evidence=Evidence(failure_score=0)
    )
    assert len(bare.content_hash) == 64
