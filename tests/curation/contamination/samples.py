"""Eval items and rows for tests of the contamination gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from curation.contamination.units import ITEMS
from curation.texts.tokens import tokens

DUCKS = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her "
    "friends every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck "
    "egg. How much in dollars does she make every day at the farmers' market?"
)
ROBE = (
    "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?"
)
TRAINS = (
    "Two freight trains leave Salisbury at 7 in the morning heading in opposite directions. One travels at "
    "45 kilometers per hour and the other at 60. After how many hours will they be 315 kilometers apart?"
)
LIST_CODE = '''def has_close_elements(numbers: list, threshold: float) -> bool:
    """ Check if in given list of numbers, are any two numbers closer to each other than
    given threshold.
    >>> has_close_elements([1.0, 2.0, 3.0], 0.5)
    False
    """
'''
PLAIN = (
    "Thanks for the help yesterday, the printer in the hall works again and everybody on the floor is happy."
)


def items(
    texts: Mapping[str, str], *, eval_set: str = "demo", role: str = "question", version: int = 1
) -> pl.DataFrame:
    """Items of one field by id."""
    rows = [
        (eval_set, version, item, "question", role, text, len(tokens(text))) for item, text in texts.items()
    ]
    return pl.DataFrame(rows, schema=ITEMS, orient="row")


EVALS = items({"ducks": DUCKS, "robe": ROBE, "trains": TRAINS, "close": LIST_CODE})


def rows(*sides: str | Sequence[str | None]) -> pl.DataFrame:
    """Rows r0, r1, … from prompts, or from (prompt, chosen, rejected)."""
    full = [((side, None, None) if isinstance(side, str) else side) for side in sides]
    data = [(f"r{number}", *side) for number, side in enumerate(full)]
    return pl.DataFrame(
        data, schema=dict.fromkeys(("key", "prompt", "chosen", "rejected"), pl.String()), orient="row"
    )
