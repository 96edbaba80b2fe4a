"""What users make of a response: corrections that repair just the fault, and cosmetics."""

from __future__ import annotations

from typing import Final

from streams.simulator import pii
from streams.simulator.dice import Dice
from streams.simulator.replies import Reply

_SWAPS: Final = (
    ("Hello ", "Hi "), ("Hi ", "Hello "), ("Dear ", "Hello "), ("Good morning ", "Hi "),
    ("Best regards", "Kind regards"), ("Kind regards", "Best wishes"), ("Many thanks", "Thanks a lot"),
    ("please let me know", "just let me know"), ("Please ", "Kindly "), ("I would like to", "I'd like to"),
    ("we are", "we're"), ("do not", "don't"), ("does not", "doesn't"), ("cannot", "can't"),
    ("Here is", "Here's"), ("This should do it", "This does it"), ("at most", "no more than"),
    ("so that", "so"), (" because ", " since "), (" about ", " regarding "), ("Unfortunately ", "Sadly "),
    (" within ", " in "), (", which", ", and this"), (" and ", " & "),
    ("Bitte ", "Wir bitten: "), ("Votre ", "La "), ("Su ", "El "),
)  # fmt: skip
_TAILS: Final = (" ok", "\n", " (checked)", " Thanks!", " .", "\n--\nedited")


def polish(d: Dice, text: str) -> str:
    """The text with one to three cosmetic changes; never the same text."""
    wanted = d.between(1, 3)
    polished = text
    start = int(d.random() * len(_SWAPS))
    for i in range(len(_SWAPS)):
        old, new = _SWAPS[(start + i) % len(_SWAPS)]
        if old in polished:
            polished = polished.replace(old, new, 1)
            wanted -= 1
            if not wanted:
                break
    return polished if polished != text else text + d.pick(_TAILS)


def correct(d: Dice, reply: Reply, *, pii_rate: float) -> str:
    """The reply with its fault repaired, sometimes polished on the way or given a personal detail."""
    text = reply.fixed
    if d.chance(0.35):
        text = polish(d, text)
    if d.chance(pii_rate):
        text += f"\n{pii.clause(d)}"
    return text
