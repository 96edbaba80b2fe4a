"""Self-preference: when a judge rates text of its own model family.

Judges prefer what they (or their relatives) wrote: A. Panickssery et al., LLM Evaluators Recognize and Favor
Their Own Generations (2024). Such verdicts are flagged and, by setting, do not count.
"""

from __future__ import annotations

from curation.judge.pairwise import Comparison
from curation.self_approval import model_family


def same_family(judge_model: str, writer: str | None) -> bool:
    """Whether a judge and the writer of a text are of one model family; False when the writer is unknown."""
    family = model_family(judge_model)
    return family is not None and family == model_family(writer)


def takes_part(judge_model: str, comparison: Comparison) -> bool:
    """Whether a judge has a side in a comparison.

    It has when one response is of its family and the other is not, and when it compares a rewrite of its
    own family, whoever wrote the other response.
    """
    a, b = (same_family(judge_model, side.model) for side in (comparison.a, comparison.b))
    own_rewrite = any(
        same and side.author.startswith("judge:") for same, side in ((a, comparison.a), (b, comparison.b))
    )
    return own_rewrite or a != b
