"""The taxonomy of latent failures, and how often they happen."""

from __future__ import annotations

from typing import Final

from streams.simulator.dice import Weights

WRONG_FACT: Final = "wrong_fact"
IGNORED_INSTRUCTION: Final = "ignored_instruction"
WRONG_FORMAT: Final = "wrong_format"
TRUNCATED: Final = "truncated"
UNJUSTIFIED_REFUSAL: Final = "unjustified_refusal"
OFF_TOPIC: Final = "off_topic"
CONTENT_FILTER: Final = "content_filter"
ERROR: Final = "error"

REASONS: Final[dict[str, str]] = {
    WRONG_FACT: "a name, date or number differs from what the user gave",
    IGNORED_INSTRUCTION: "an explicit instruction was not followed",
    WRONG_FORMAT: "the content is right but the form is not what was asked for",
    TRUNCATED: "the text breaks off",
    UNJUSTIFIED_REFUSAL: "the model declined a harmless request",
    OFF_TOPIC: "the text answers another question",
    CONTENT_FILTER: "the provider's filter blocked a harmless request",
    ERROR: "the call failed and there is no text",
}
"""Reason code → what it means."""

EDITABLE: Final = frozenset({WRONG_FACT, IGNORED_INSTRUCTION, WRONG_FORMAT, TRUNCATED})
"""Failures a user can repair by editing; the others leave nothing worth keeping."""

NOTICED: Final[dict[str, float]] = {
    WRONG_FACT: 0.8,
    IGNORED_INSTRUCTION: 0.84,
    WRONG_FORMAT: 0.93,
    TRUNCATED: 0.96,
    UNJUSTIFIED_REFUSAL: 1.0,
    OFF_TOPIC: 0.98,
    CONTENT_FILTER: 1.0,
    ERROR: 1.0,
}
"""Share of the failures that users notice at once."""

CODES: Final = tuple(REASONS)
USUAL_MIX: Final = Weights((36, 20, 12, 9, 8, 6, 2, 7))
REGRESSED_MIX: Final = Weights((52, 26, 8, 4, 2, 4, 1, 3))
"""The regression invents facts and ignores instructions rather than failing loudly."""
