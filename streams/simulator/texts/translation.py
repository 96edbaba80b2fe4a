# ruff: noqa: E501 - sentences are easier to read on one line
"""Translation from English into German, French or Spanish."""

from __future__ import annotations

from typing import Final

from streams.simulator import vocabulary as v
from streams.simulator.dice import Dice
from streams.simulator.grammar import Case, Facts, Feature, FollowUp, Instruction, OutcomeSpec
from streams.simulator.texts.parallel import SENTENCES

_SOURCES: Final = 4


def _derive(d: Dice | None, facts: Facts) -> None:
    """Choose sentences (only with dice), then fill them in the source and the target languages."""
    if d is not None:
        chosen = d.shuffled(range(len(SENTENCES)))[:_SOURCES]
        for position, sentence in enumerate(chosen):
            facts[f"i{position}"] = str(sentence)
    for position in range(_SOURCES):
        row = SENTENCES[int(facts[f"i{position}"])]
        for language, template in row.items():
            facts[f"{language}{position}"] = template.format_map(facts)


def _case(language: str, code: str) -> Case:
    """Translation into one language; `code` names the column of `SENTENCES`, with a variant `<code>b`."""
    return Case(
        name=f"into_{code}",
        opening=(
            f"Translate into {language}:\n\n",
            f"Please translate this message for a customer into {language}.\n\n",
            f"I need this in {language} for {{company}}:\n\n",
            f"{language} version of the following text, please:\n\n",
            f"How would you say this in {language}?\n\n",
            f"{{name}} in {{city}} needs the text below in {language}.\n\n",
        ),
        body=(("{en0}",), ("{en1}",), ("{en2}",), ("{en3}", "")),
        answer=(
            (f"{{{code}0}}", f"{{{code}b0}}"),
            (f"{{{code}1}}", f"{{{code}b1}}"),
            (f"{{{code}2}}", f"{{{code}b2}}"),
            (f"{{{code}3}}", f"{{{code}b3}}", ""),
        ),
        checkable=("order", "day", "clock", "small", "amount"),
        topic="a translation",
        followups=(
            FollowUp(
                (
                    f"The date in the text changed to {{day}}, {{clock}}. Translate into {language} again:\n\n"
                    "{en0} {en1} {en2}",
                    f"Update: it is {{amount}} EUR and order {{order}}. Once more in {language}:\n\n{{en0}} {{en1}} {{en2}}",
                ),
                ("day", "clock", "amount", "order"),
            ),
            FollowUp(
                (f"And this one, also into {language}, for {{name}}:\n\n{{en0}} {{en1}} {{en2}}",),
                ("name", "small", "amount"),
            ),
        ),
        ordered=True,
    )


FEATURE: Final = Feature(
    name="translation",
    system=(
        "You translate business texts. Return the translation only.",
        "You translate business texts. Return the translation only, as running text, with numbers, dates and names "
        "unchanged.",
    ),
    cases=(_case("German", "de"), _case("French", "fr"), _case("Spanish", "es")),
    facts={
        "name": v.person,
        "company": v.company,
        "city": v.city,
        "order": v.order_number,
        "day": v.iso_date,
        "clock": v.clock,
        "small": v.small,
        "amount": v.amount,
        "me": v.full_name,
        "project": v.project,
    },
    instructions=(
        Instruction(
            ("\n\nOnly the translation, no comments.", "\n\nNo notes or explanations please."),
            ("",),
            (
                "Note: I chose a neutral tone here; other wordings are possible, and in speech one would shorten it.",
                "(Literally the second sentence means something slightly different, but this is how one would write it.)",
            ),
        ),
        Instruction(
            ("\n\nAdd the name {me} at the end.", "\n\nSign with {me}, {company}."),
            ("{me}, {company}", "{me}"),
            ("", "Customer service"),
        ),
        Instruction(
            (
                "\n\nPut the reference {project} at the end, untranslated.",
                "\n\nThe last words must be 'Project {project}'.",
            ),
            ("Project {project}.",),
            ("", "(The reference was left out because it is not part of the text.)"),
        ),
    ),
    outcomes=(OutcomeSpec("translation_published", "translation_rejected", "cms", 0.6, (20, 7200)),),
    derive=_derive,
    difficulty=0.9,
    surfaces=("web", "cms"),
)
