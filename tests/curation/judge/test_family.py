"""When a judge has a side."""

from __future__ import annotations

import pytest

from contracts.messages import text_message
from curation.judge.family import same_family, takes_part
from curation.judge.pairwise import Candidate, Comparison


@pytest.mark.parametrize(
    ("judge", "writer", "same"),
    [
        ("gpt-4.1-mini", "o3-mini", True),
        ("gpt-4.1-mini", "openai/gpt-4o", True),
        ("gpt-4.1-mini", "claude-3-5-sonnet", False),
        ("gpt-4.1-mini", None, False),
        ("", "gpt-4o", False),
        ("", None, False),
    ],
)
def test_families_of_judge_and_writer(judge: str, writer: str | None, same: bool) -> None:
    assert same_family(judge, writer) is same


@pytest.mark.parametrize(
    ("author", "a", "b", "part"),
    [
        ("r2", "gpt-4o", "claude-3", True),
        ("r2", "claude-3", "gpt-4o", True),
        ("r2", "gpt-4o", "o3-mini", False),
        ("r2", "claude-3", "llama-3", False),
        ("user:r1", None, "gpt-4o", True),
        ("user:r1", None, "claude-3", False),
        ("judge:r1", "gpt-4.1-mini", "claude-3", True),
        # its own rewrite, even beside a relative's answer
        ("judge:r1", "gpt-4.1-mini", "gpt-4o", True),
        ("judge:r1", "claude-3", "llama-3", False),
    ],
)
def test_sides_of_a_comparison(author: str, a: str | None, b: str | None, part: bool) -> None:
    compared = Comparison(
        request_id="r1",
        prompt=[text_message("user", "?")],
        a=Candidate(messages=[text_message("assistant", "yes")], author=author, model=a),
        b=Candidate(messages=[text_message("assistant", "no")], author="r1", model=b),
    )
    assert takes_part("gpt-4.1", compared) is part
