"""Leaks planted into clean dialogue: verbatim, embedded in longer text, lightly edited, paraphrased."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.contamination_rows import Case, cases, eval_set
from contracts.errors import TerminalError
from curation.contamination.literal import SHORT
from curation.contamination.sides import TURN
from curation.selection import uniform
from curation.texts.tokens import tokens

SHARED: Final = Path(os.environ.get("SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
"""SHARED_DATA, else shared/data beside the checkout, as for the tests."""

EVALS: Final = {
    "gsm8k": "gsm8k_test.jsonl",
    "humaneval": "humaneval.jsonl",
    "ifeval": "ifeval.jsonl",
    "mt_bench": "mt_bench_questions.jsonl",
}
CLEAN: Final = ("hh_rlhf_harmless_dev.jsonl", "oasst_en_trees_dev.jsonl")
PARAPHRASES: Final = "contamination/rephrased_dev.jsonl"
EDIT_EVERY: Final = 12
"""An edited leak has one word in so many changed, dropped or doubled."""

FIT_SEED: Final = 41


def is_for_fitting(item_ids: pl.Series) -> pl.Series:
    """Which half of the items the paraphrase layer was fitted on; the other half is reported."""
    return uniform(item_ids, FIT_SEED) < 0.5


def folder() -> Path:
    """The shared test data. Raises `TerminalError` where it is not."""
    if not (SHARED / EVALS["gsm8k"]).is_file():
        raise TerminalError(
            "the shared test data is not here",
            hint="Set SHARED_DATA, or give --evals-dir, --leaks and --clean files of your own.",
        )
    return SHARED


def items() -> pl.DataFrame:
    """Items of the four public eval sets."""
    return pl.concat([eval_set(name, folder() / file) for name, file in EVALS.items()])


def clean() -> list[Case]:
    """Ordinary dialogue: human red-team dialogues with their two answers, and OASST messages."""
    return [case for file in CLEAN for case in cases(folder() / file, leaks=False)]


def paraphrases(*, fitting: bool) -> list[Case]:
    """LLM-written paraphrases of one half of the items; empty texts (nine of the source's rows) left out."""
    found = [case for case in cases(folder() / PARAPHRASES, leaks=True) if tokens(case.text())]
    half = is_for_fitting(pl.Series([case.source for case in found], dtype=pl.String))
    return [
        Case(
            case.prompt,
            kind=f"paraphrase_{(case.source or '').split('-')[0].split('/')[0].lower()}",
            source=case.source,
        )
        for case, fits in zip(found, half, strict=True)
        if fits == fitting
    ]


def planted(evals: pl.DataFrame, hosts: Sequence[Case], seed: int) -> list[Case]:
    """Each question of an item verbatim as a prompt, inside a longer turn, and edited; 8 words and more.

    Embedded ones lie between sentences of a clean text, alternately in the prompt, chosen and rejected side.
    """
    dice = random.Random(seed)
    found = []
    wanted = evals.filter((pl.col("role") == "question") & (pl.col("tokens") >= SHORT))
    for number, (item, text) in enumerate(wanted.select("item_id", "text").iter_rows()):
        host = dice.choice(hosts)
        found.append(Case(text, kind="verbatim", source=item))
        found.append(_embedded(host, text, item, number % 3, dice))
        found.append(Case(edited(text, dice), kind="edited", source=item))
    return found


def _embedded(host: Case, text: str, item: str, where: int, dice: random.Random) -> Case:
    sides = [host.prompt or "", host.chosen or host.prompt or "", host.rejected or host.prompt or ""]
    turns = sides[where].split(TURN)
    place = dice.randrange(len(turns))
    sentences = turns[place].split(". ")
    cut = dice.randint(0, len(sentences))
    turns[place] = ". ".join([*sentences[:cut], text, *sentences[cut:]])
    sides[where] = TURN.join(turns)
    return Case(*sides, kind="embedded", source=item)


def edited(text: str, dice: random.Random) -> str:
    """A text with one word in `EDIT_EVERY` changed, dropped or doubled; its lines stay."""
    words = text.split(" ")
    count = max(1, len(words) // EDIT_EVERY)
    for place in sorted(dice.sample(range(len(words)), count), reverse=True):
        change = dice.randrange(3)
        if change == 0:
            words[place] = "really " + words[place]
        elif change == 1 and len(words) > SHORT:
            del words[place]
        else:
            words.insert(place, words[place])
    return " ".join(words)


def siblings(evals: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, list[Case]]:
    """Half of the items to register, and the other half's questions: no leaks, but as near as can be."""
    kept = uniform(evals["item_id"], seed) < 0.5
    others = evals.filter(~kept & (pl.col("role") == "question"))
    return evals.filter(kept), [Case(text, kind="sibling") for text in others["text"]]
