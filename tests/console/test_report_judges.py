"""What the report says of a drop's judges."""

from __future__ import annotations

from typing import Any

from sinks.drops.documents.facts import facts


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": 9, "method": None, "reason": None}


EPOCH = {
    "judge": "openai:one",
    "comparisons": 1234,
    "inconsistency_rate": estimate(0.2, 0.1, 0.3),
    "first_share": estimate(None),
    "length": {"longer_wins": estimate(0.64)},
}
MANIFEST = {
    "panel": {
        "e1": {
            "members": ["openai:one", "openai:<b>two</b>"],
            "items": 50,
            "unanimous": 45,
            "krippendorff_alpha": estimate(0.7, 0.5, 0.85),
        }
    },
    "pairwise": {
        "people": {"chosen": 7, "rejected": 2},
        "rewrites": {"compared": 12, "kept": 5},
        "epochs": {"e2": EPOCH},
    },
    "judge_family": {"rows": 3, "judged": 4, "refused": 1},
}


def test_panels_comparisons_and_their_bias_are_told() -> None:
    assert dict(facts(MANIFEST)) == {
        "Panel": "openai:one, openai:<b>two</b>: 45 of 50 unanimous, Krippendorff's α 0.70 (0.50 to 0.85)",
        "Rewrites": "5 of 12 preferred to the response in both orders",
        "People's pairs, the judge prefers": "chosen 7, rejected 2",
        "Comparing, openai:one": "1,234 comparisons, 20% (10% to 30%) change with the order, "
        "the longer response wins 64%",
        "Judged by the writer's own family": "3 rows, 1 request refused",
    }


def test_a_drop_of_one_judge_that_compares_nothing_says_nothing_of_it() -> None:
    assert facts({"judge_family": {"rows": 0, "judged": 0, "refused": 0}, "pairwise": {"people": {}}}) == []
    assert facts({"panel": "odd", "pairwise": ["odd"], "judge_family": None}) == []
