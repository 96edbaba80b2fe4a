"""What the simulated product says and how its users behave: texts, edits, regression, evidence."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

from contracts.messages import last_user_text, message_text, output_text
from streams.simulator import REASONS, SimulationConfig, Truth, simulate
from streams.simulator.dice import Dice
from streams.simulator.edits import correct, polish
from streams.simulator.failures import EDITABLE
from streams.simulator.pii import TEST_CARDS
from streams.simulator.replies import reply
from streams.simulator.tasks import new_task
from streams.simulator.texts import FEATURES
from tests.streams.simulated import Reading, read_all

CONFIG = SimulationConfig()


@pytest.fixture(scope="module")
def reading() -> Reading:
    return read_all(simulate(CONFIG))


@pytest.fixture(scope="module")
def truth() -> dict[str, Truth]:
    return {t.request_id: t for t in simulate(CONFIG).truth}


def rate(truths: list[Truth]) -> float:
    return sum(t.bad for t in truths) / len(truths)


def test_failures_have_the_configured_base_rate_and_every_reason(truth: dict[str, Truth]):
    usual = [t for t in truth.values() if t.feature != CONFIG.regressed_feature]
    assert rate(usual) == pytest.approx(0.2, abs=0.03)
    assert {t.reason for t in truth.values()} == {None, *REASONS}


def test_regression_hits_one_feature_from_its_moment():
    config = replace(CONFIG, sessions=4000, regressed_feature="translation")
    simulation = simulate(config)
    times = {r: t for r, (_, t) in read_all(simulation).requests.items()}
    before, after = defaultdict(list), defaultdict(list)
    for t in simulation.truth:
        (after if times[t.request_id] >= config.regression_us else before)[t.feature].append(t)
    assert rate(after["translation"]) == pytest.approx(0.5, abs=0.06)
    assert rate(before["translation"]) == pytest.approx(0.2, abs=0.06)
    for feature in FEATURES.keys() - {"translation"}:
        assert abs(rate(after[feature]) - rate(before[feature])) < 0.07
    assert {t.behavior_version.rpartition("@")[2] for t in after["translation"]} == {"v3"}
    assert "v3" not in {t.behavior_version.rpartition("@")[2] for t in before["translation"]}


def test_sessions_have_one_to_eight_requests(reading: Reading):
    lengths = Counter(len(ids) for ids in reading.sessions.values())
    assert set(lengths) == set(range(1, 9))


def own_prompts(reading: Reading) -> list[tuple[str, str]]:
    """(feature, prompt) of everything users asked; regenerating and retrying repeat nothing."""
    found = {}
    for request_id, (request, _) in reading.requests.items():
        if text := last_user_text(request.input_messages):
            found[reading.session_of(request_id), text] = request.feature
    return [(feature, text) for (_, text), feature in found.items()]


def test_prompts_are_rarely_the_same_but_often_similar(reading: Reading):
    prompts = own_prompts(reading)
    repeated = len(prompts) - len({text for _, text in prompts})
    assert repeated / len(prompts) < 0.02
    for name in FEATURES:
        texts = [text for feature, text in prompts if feature == name][:250]
        scores = process.cdist(texts, texts, scorer=fuzz.ratio)
        nearest = [max(score for j, score in enumerate(row) if j != i) for i, row in enumerate(scores)]
        # neither all alike nor all unlike: a threshold on similarity alone finds nothing
        assert sum(score > 60 for score in nearest) > 0.4 * len(nearest)
        assert sum(score > 97 for score in nearest) < 0.1 * len(nearest)


def test_texts_are_filled_in(reading: Reading):
    for request, _ in reading.requests.values():
        for text in (last_user_text(request.input_messages), output_text(request.output_messages)):
            assert text is None or not re.search(r"(?<![{$f])\{[a-z0-9]+\}", text), text


def test_corrections_repair_the_fault_with_a_mid_range_edit():
    ratios, restored = [], 0
    d = Dice("corrections")
    for i in range(1500):
        task = new_task(d, list(FEATURES.values())[i % len(FEATURES)], style=0, pii_rate=0.0)
        answer = reply(d, task, sorted(EDITABLE)[i % len(EDITABLE)])
        assert answer.reason in EDITABLE
        assert answer.text
        edited = correct(d, answer, pii_rate=0.0)
        ratios.append(Levenshtein.normalized_distance(answer.text, edited))
        restored += edited == answer.fixed
    assert restored > 0.5 * len(ratios)
    assert sum(0.05 <= r <= 0.6 for r in ratios) > 0.88 * len(ratios)
    assert max(ratios) < 0.75


def test_cosmetic_edits_change_little_and_always_something():
    d = Dice("cosmetics")
    ratios = []
    for i in range(600):
        task = new_task(d, list(FEATURES.values())[i % len(FEATURES)], style=0, pii_rate=0.0)
        text = reply(d, task, None).text or ""
        ratios.append(Levenshtein.normalized_distance(text, polish(d, text)))
    assert min(ratios) > 0
    assert sum(r < 0.05 for r in ratios) > 0.85 * len(ratios)


def test_wrong_facts_contradict_the_facts_and_the_correction_states_them():
    def mentions(text: str, fact: str) -> int:
        return len(re.findall(rf"(?<!\w){re.escape(fact)}(?!\w)", text))

    d = Dice("facts")
    for i in range(600):
        task = new_task(d, list(FEATURES.values())[i % len(FEATURES)], style=0, pii_rate=0.0)
        answer = reply(d, task, "wrong_fact")
        assert answer.reason == "wrong_fact"
        facts = [task.facts[key] for key in task.case.checkable]
        assert any(mentions(answer.text or "", f) != mentions(answer.fixed, f) for f in facts)


def test_a_later_turn_carries_the_earlier_ones_whole(reading: Reading):
    multi_turn = 0
    for ids in reading.sessions.values():
        for before, after in pairwise(ids):
            earlier, later = reading.requests[before][0], reading.requests[after][0]
            turns = later.input_messages or []
            if not earlier.input_messages or sum(m.role == "user" for m in turns) < 2:
                continue
            if earlier.prompt is not None or not earlier.output_messages:
                continue
            texts = [message_text(m) for m in turns]
            said = [message_text(m) for m in earlier.input_messages]
            if texts == said:
                continue  # regenerated: the same input, another output
            assert turns[0].role == "system"
            if texts[: len(said)] == said:
                assert texts[len(said)] == output_text(earlier.output_messages)
                # a tool the model called for the new prompt may follow it
                roles = [m.role for m in turns[len(said) :]]
                assert roles in (["assistant", "user"], ["assistant", "user", "assistant", "tool"])
                multi_turn += 1
    assert multi_turn > 300


def test_regenerate_repeats_the_input_with_another_output(reading: Reading):
    regenerated = [s for s, _ in reading.signals if s.kind == "regenerate" and s.request_id]
    same_input = other_output = compared = 0
    for signal in regenerated:
        ids = reading.sessions[signal.session_id]
        position = ids.index(signal.request_id or "")
        first, second = (reading.requests[i][0] for i in ids[position : position + 2])
        if first.prompt or second.prompt or not first.input_messages or not second.input_messages:
            continue
        compared += 1
        same_input += first.input_messages == second.input_messages
        other_output += first.output_messages != second.output_messages
    assert compared > 150
    assert same_input == compared
    assert other_output > 0.97 * compared


def test_rarer_shapes_all_occur(reading: Reading):
    requests = [request for request, _ in reading.requests.values()]
    parts = Counter(p["type"] for r in requests for m in r.input_messages or () for p in m.parts or ())
    assert {"text", "tool_call", "tool_call_response"} <= set(parts)
    assert any(r.tools for r in requests)
    assert any(r.prompt and r.response for r in requests)
    assert any(r.input_messages is None and r.error_type is None for r in requests)
    assert any(r.error_type and r.output_messages is None for r in requests)
    assert {"stop", "length", "content_filter"} <= {r.finish_reason for r in requests}
    assert any(r.user_id is None for r in requests)
    kinds = {s.kind for s, _ in reading.signals}
    assert kinds >= {
        "thumbs", "rating", "comment", "edit", "copy", "accept", "undo",
        "regenerate", "retry", "dwell", "abandon", "escalate", "report",
    }  # fmt: skip


def test_personal_data_is_there_and_all_of_it_is_fake(reading: Reading):
    text = b"\n".join(event.value for event, _ in reading.times if event.value).decode()
    mails = re.findall(r"@([\w.\-]+\w)", text)
    assert len(mails) > 30
    assert all(re.fullmatch(r"(mail\.)?example\.(com|org|net)", domain) for domain in mails)
    assert len(re.findall(r"555[- ]01\d\d", text)) > 20
    cards = re.findall(r"\b\d{4} \d{4,6} \d{4,5}(?: \d{4})?\b", text)
    assert len(cards) > 10
    assert set(cards) <= set(TEST_CARDS)
    edits = [s.text or "" for s, _ in reading.signals if s.kind == "edit"]
    assert all(edits)


def test_evidence_tells_failures_apart_well_but_not_perfectly(reading: Reading, truth: dict[str, Truth]):
    # hand-set weights on a part of the evidence; a fitted score over all of it does better
    weights = {
        "regenerate": 2.2, "retry": 3.0, "undo": 2.0, "abandon": 2.5, "escalate": 2.5, "report": 2.5,
        "copy": -1.0, "accept": -1.6,
    }  # fmt: skip
    score = dict.fromkeys(reading.requests, 0.0)
    for signal, time_us in reading.signals:
        ids = [i for i in reading.sessions[signal.session_id] if reading.requests[i][1] <= time_us]
        request_id = signal.request_id or ids[-1]
        score[request_id] += weights.get(signal.kind, 0.0)
        answer = output_text(reading.requests[request_id][0].output_messages)
        if signal.kind == "edit" and answer:
            score[request_id] += 3.0 * (Levenshtein.normalized_distance(answer, signal.text or "") > 0.05)
    for ids in reading.sessions.values():
        for before, after in pairwise(ids):
            prompts = [last_user_text(reading.requests[i][0].input_messages) or "" for i in (before, after)]
            if prompts[0] != prompts[1] and fuzz.ratio(*prompts) > 60:
                score[before] += 2.5
    replaced = {o.supersedes for o, _, _ in reading.outcomes}
    for outcome, _, _ in reading.outcomes:
        if outcome.event_id not in replaced and outcome.success is not None:
            request_id = outcome.request_id or reading.sessions[outcome.session_id or ""][-1]
            score[request_id] += -1.2 if outcome.success else 2.4
    for request_id, (request, _) in reading.requests.items():
        score[request_id] += 4.0 * (request.error_type is not None)
        score[request_id] += 3.0 * (request.finish_reason in ("length", "content_filter"))
    assert 0.87 < roc_auc([(score[i], t.bad) for i, t in truth.items()]) < 0.97


def roc_auc(scored: list[tuple[float, bool]]) -> float:
    """Area under the ROC curve; ties count half."""
    positive = Counter(s for s, bad in scored if bad)
    negative = Counter(s for s, bad in scored if not bad)
    below = wins = 0.0
    for value in sorted(positive.keys() | negative.keys()):
        wins += positive[value] * (below + negative[value] / 2)
        below += negative[value]
    return wins / (sum(positive.values()) * below)
