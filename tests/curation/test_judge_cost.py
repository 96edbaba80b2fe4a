"""Cost of judging per judged request and per published row."""

from __future__ import annotations

from curation.judge.verdicts import Judgment, Spend, UnjudgedReason, Verdict
from curation.judge_cost import cost_block, paid_for, so_far


def judgment(content: str, *, epoch: str = "e") -> Judgment:
    verdict = Verdict(verdict="fail", confidence=1, input_tokens=80, output_tokens=20, cost_usd=0.01)
    return Judgment(request_id="r", content_hash=content, epoch=epoch, verdict=verdict)


def test_each_content_is_counted_once_however_often_it_comes() -> None:
    unjudged = Judgment(request_id="r", content_hash="c", epoch="e", reason=UnjudgedReason.BUDGET)
    found = paid_for([judgment("a"), judgment("a"), judgment("b"), judgment("a", epoch="f"), unjudged])
    assert found == Spend(calls=3, input_tokens=240, output_tokens=60, cost_usd=0.03)


def test_a_published_row_bears_verdicts_and_comparisons() -> None:
    verdicts = paid_for([judgment("a"), judgment("b")])
    comparisons = Spend(calls=4, input_tokens=100, output_tokens=20, cost_usd=0.02)
    block = cost_block(verdicts, comparisons, examples=4)
    assert block["per_judged"] == {"tokens": 100.0, "cost_usd": 0.01}
    assert block["per_example"] == {"tokens": 80.0, "cost_usd": 0.01}
    assert (block["verdicts"], block["comparisons"], block["cost_usd"]) == (2, 4, 0.04)


def test_nothing_judged_or_published_has_no_average() -> None:
    block = cost_block(Spend(), Spend(), examples=0)
    assert block["per_judged"] is None
    assert block["per_example"] is None


def test_progress_names_what_was_spent() -> None:
    assert so_far(Spend()) == ""
    assert so_far(Spend(calls=2, input_tokens=900, output_tokens=200)) == " (2 calls, 1,100 tokens)"
    assert so_far(Spend(calls=1, input_tokens=1, cost_usd=0.5)) == " (1 calls, 1 tokens, $0.5000)"
