"""Fake personal data in prompts: reserved domains, fictional phone numbers, published test cards."""

from __future__ import annotations

from typing import Final

from streams.simulator import vocabulary
from streams.simulator.dice import Dice

TEST_CARDS: Final = (
    "4242 4242 4242 4242",
    "4111 1111 1111 1111",
    "5555 5555 5555 4444",
    "3782 822463 10005",
    "6011 1111 1111 1117",
)
_DOMAINS: Final = ("example.com", "example.org", "example.net", "mail.example.com")
_EMAIL: Final = (
    "You can reach me at {}.",
    "Please copy {} on it.",
    "My address is {} in case you need it.",
    "It was sent from {} by the way.",
)
_PHONE: Final = (
    "My direct line is {}.",
    "They should call {} if anything is unclear.",
    "Our desk phone is {}, mornings only.",
    "Text me on {} when it is done.",
)
_CARD: Final = (
    "The card on file is {}.",
    "I paid with {}, expiring next spring.",
    "Charge it to {} as before.",
)


def email(d: Dice) -> str:
    """An address in a reserved domain."""
    local = vocabulary.full_name(d).lower().replace(" ", d.pick((".", "_", "-")))
    return f"{local}@{d.pick(_DOMAINS)}"


def phone(d: Dice) -> str:
    """A number in the range kept for fiction."""
    return d.pick(("555-01{:02d}", "(212) 555-01{:02d}", "+1 415 555 01{:02d}")).format(d.between(0, 99))


def clause(d: Dice) -> str:
    """A sentence that gives away something personal."""
    roll = d.random()
    if roll < 0.45:
        return d.pick(_EMAIL).format(email(d))
    if roll < 0.8:
        return d.pick(_PHONE).format(phone(d))
    return d.pick(_CARD).format(d.pick(TEST_CARDS))
