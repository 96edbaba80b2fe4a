"""Self-approval: rows whose chosen side was written by the model family that is to be trained on them.

A model that learns from its own accepted answers sees its habits confirmed, so such rows are marked and their
share of a drop is capped.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from contracts.settings import CurationSettings
from curation.share_caps import cap_marked, most_beside
from curation.steps import StepResult

STEP: Final = "self_approval"

_WORD: Final = re.compile(r"[a-z]+")

VENDORS: Final = frozenset(
    {
        "meta",
        "google",
        "openai",
        "anthropic",
        "amazon",
        "cohere",
        "ibm",
        "microsoft",
        "nvidia",
        "mistralai",
        "ai",
    }
)
"""Words before the family's own name."""

RELATED: Final = {
    "chatgpt": "gpt",
    "o": "gpt",
    "davinci": "gpt",
    "text": "gpt",
    "codellama": "llama",
    "codegemma": "gemma",
    "paligemma": "gemma",
    "shieldgemma": "gemma",
    "mixtral": "mistral",
    "ministral": "mistral",
    "codestral": "mistral",
    "magistral": "mistral",
    "devstral": "mistral",
    "pixtral": "mistral",
    "qwq": "qwen",
    "qvq": "qwen",
    "codeqwen": "qwen",
}
"""Names that do not show their family."""


def model_family(name: str | None) -> str | None:
    """Family of a model name: its first word that is no vendor, with relatives under one name.

    `Qwen/Qwen2.5-7B-Instruct` → qwen, `ft:gpt-4o-mini:acme` → gpt, `o3-mini` → gpt, `mixtral-8x7b` → mistral,
    `us.anthropic.claude-3-5-sonnet-20240620-v1:0` → claude, `meta-llama/Meta-Llama-3-8B` → llama. A distilled
    model belongs to the family whose weights it has: `deepseek-r1-distill-qwen-7b` → qwen. None for no name.
    """
    if not name:
        return None
    last = name.lower().removeprefix("ft:").rstrip("/").rpartition("/")[2]
    # Bedrock's names begin with region and vendor: us.anthropic.claude-…
    parts = last.split(".")
    while len(parts) > 1 and parts[0].isalpha() and (parts[0] in VENDORS or len(parts[0]) == 2):
        del parts[0]
    words: list[str] = _WORD.findall(".".join(parts).partition(":")[0])
    if "distill" in words[:-1]:
        words = words[words.index("distill") + 1 :]
    own = [word for word in words if word not in VENDORS]
    if not own:
        return words[0] if words else None
    return RELATED.get(own[0], own[0])


def mark(rows: pl.DataFrame, settings: CurationSettings) -> pl.DataFrame:
    """Add `self_approved`: the chosen side's model, or its base model, is of `target_family`.

    rows: chosen_model, chosen_base_model (null: a person wrote the chosen side, or there is none).
    """
    target = model_family(settings.target_family)
    names = pl.concat([rows["chosen_model"], rows["chosen_base_model"]]).unique().drop_nulls().to_list()
    mine = [name for name in names if target is not None and model_family(name) == target]
    either = pl.any_horizontal(
        pl.col(column).is_in(mine).fill_null(value=False) for column in ("chosen_model", "chosen_base_model")
    )
    return rows.with_columns(self_approved=either)


def cap_self_approved(rows: pl.DataFrame, settings: CurationSettings) -> StepResult:
    """Refuse self-approved rows beyond `self_approval_share` of the rows that stay (`self_approval_cap`).

    rows: final rows with example_id, request_ids, kind, date, safety, inclusion_probability and what `mark`
    needs. Which stay is drawn at random; the chance is multiplied into `inclusion_probability` (and
    `design_weight`, where there is one, divided by it). Safety-tagged rows are marked, but neither refused
    nor counted.
    """
    marked = mark(rows, settings)
    mine = marked["self_approved"] & ~marked["safety"]
    return cap_marked(
        STEP,
        marked,
        mine,
        most=most_beside(marked.height - int(mine.sum()), settings.self_approval_share),
        seed=settings.seed,
        reason="self_approval_cap",
        detail=pl.format("chosen side by {}", pl.coalesce("chosen_base_model", "chosen_model")),
    )
