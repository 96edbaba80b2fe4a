# ruff: noqa: E501 - sentences are easier to read on one line
"""Code help: write a small function, find a bug, explain an error."""

from __future__ import annotations

from typing import Final

from streams.simulator import vocabulary as v
from streams.simulator.dice import Dice
from streams.simulator.grammar import Case, Facts, Feature, FollowUp, Instruction, OutcomeSpec

_VERBS: Final = (
    "load",
    "merge",
    "filter",
    "group",
    "round",
    "parse",
    "collect",
    "count",
    "export",
    "validate",
)
_NOUNS: Final = ("orders", "invoices", "readings", "tickets", "shipments", "users", "batches", "prices", "events",
                 "samples", "parcels", "entries", "accounts", "visits")  # fmt: skip
_ODD_SINGULARS: Final = {"batches": "batch", "entries": "entry"}
_FIELDS: Final = ("amount", "weight", "created_at", "status", "score", "region", "duration", "quantity", "rank",
                  "balance", "priority", "due_date", "temperature", "distance")  # fmt: skip
_PATHS: Final = ("jobs", "core", "tools", "reports", "billing", "ingest", "api", "warehouse")


def _function(d: Dice) -> str:
    return f"{d.pick(_VERBS)}_{d.pick(_NOUNS)}"


def _derive(_: Dice | None, facts: Facts) -> None:
    rows = facts["rows"]
    facts["item"] = _ODD_SINGULARS.get(rows, rows[:-1])


_WHY: Final = (
    "",
    "",
    "It is for project {project}.",
    "This runs every {weekday} at {clock}.",
    "{name} from {team} wrote the first version.",
    "We have about {count} thousand {rows} a day.",
    "I am new to this code base.",
)
_DONE: Final = (
    "",
    "Let me know if the fields are named differently.",
    "I did not run it against your data.",
    "The rest of {path}/{module}.py can stay as it is.",
    "A test for the empty case would be a good idea.",
)

_WRITE = Case(
    name="write_function",
    opening=(
        "Write a Python function `{function}` for me.",
        "I need a function called `{function}` in Python.",
        "Help me implement `{function}` in {path}/{module}.py.",
        "Can you code `{function}`?",
    ),
    body=(
        (
            "It gets a list of {rows} (dicts) and keeps those with {field} of at least {number}.",
            "Input is a list of dicts, one per {item}; return the ones where {field} >= {number}.",
            "Given {rows} as dicts, drop everything whose {field} is below {number}.",
        ),
        (
            "Sort the result by {key}.",
            "The result should be ordered by {key}.",
            "Return them sorted by {key}, please.",
        ),
        (
            "At most {limit} results.",
            "Stop after {limit} entries.",
            "Only the first {limit} are needed.",
        ),
        _WHY,
    ),
    answer=(
        (
            "Here is `{function}`:",
            "This should do it:",
            "The function below filters first and sorts afterwards.",
            "Sure, `{function}` can be short:",
        ),
        (
            "```python\ndef {function}({rows}: list[dict]) -> list[dict]:",
            "```python\ndef {function}({rows}):",
            "```python\ndef {function}({rows}: Iterable[dict]) -> list[dict]:",
        ),
        (
            '    kept = [{item} for {item} in {rows} if {item}["{field}"] >= {number}]\n'
            '    kept.sort(key=lambda {item}: {item}["{key}"])\n'
            "    return kept[:{limit}]\n```",
            '    result = filter(lambda row: row["{field}"] >= {number}, {rows})\n'
            '    return sorted(result, key=lambda row: row["{key}"])[:{limit}]\n```',
            '    kept = []\n    for row in {rows}:\n        if row["{field}"] >= {number}:\n'
            '            kept.append(row)\n    return sorted(kept, key=itemgetter("{key}"))[:{limit}]\n```',
        ),
        (
            "It keeps {rows} with `{field}` of {number} or more and returns at most {limit} of them, ordered by `{key}`.",
            "The cut at {limit} happens after sorting by `{key}`, so the smallest values stay.",
            "Values of `{field}` equal to {number} are kept.",
        ),
        _DONE,
    ),
    checkable=("number", "limit", "field", "key"),
    topic="a function",
    followups=(
        FollowUp(
            (
                "Change the threshold for {field} to {number} and return {limit} at most.",
                "Now with {number} as the limit for {field}, and {limit} results.",
            ),
            ("number", "limit"),
        ),
        FollowUp(
            ("Sort `{function}` by {key} instead, please.", "Use {key} for the order of {rows}."), ("key",)
        ),
    ),
)

_BUG = Case(
    name="find_bug",
    opening=(
        "Why does `{function}` in {path}/{module}.py return too few {rows}?",
        "`{function}` is wrong, it loses {rows}.",
        "Find the bug in `{function}`, please.",
        "Something is off with {path}/{module}.py.",
    ),
    body=(
        (
            "```python\ndef {function}({rows}):\n    out = []\n    for i in range(1, len({rows})):\n"
            '        if {rows}[i]["{field}"] > {number}:\n            out.append({rows}[i])\n    return out\n```',
            "```python\ndef {function}({rows}):\n    return [{rows}[i] for i in range(1, len({rows}))\n"
            '            if {rows}[i]["{field}"] > {number}]\n```',
        ),
        (
            "For {count} {rows} I expect {small} results, but some are missing.",
            "A {item} whose {field} is exactly {number} should be included.",
            "With {field} = {number} it should still be in the result, I think.",
        ),
        _WHY,
    ),
    answer=(
        (
            "There are two mistakes in `{function}`.",
            "`{function}` loses {rows} in two places.",
            "I see two problems here.",
        ),
        (
            "The loop starts at 1, so the first {item} is never looked at.",
            "`range(1, …)` skips index 0, which drops the first {item}.",
        ),
        (
            "And `>` excludes {rows} whose `{field}` is exactly {number}; use `>=`.",
            "Besides, the comparison must be `>= {number}` if equal values of `{field}` count.",
        ),
        (
            '```python\ndef {function}({rows}):\n    return [{item} for {item} in {rows} if {item}["{field}"] >= {number}]\n```',
            "```python\ndef {function}({rows}):\n    kept = []\n    for {item} in {rows}:\n"
            '        if {item}["{field}"] >= {number}:\n            kept.append({item})\n    return kept\n```',
        ),
        _DONE,
    ),
    checkable=("number", "field"),
    topic="a bug",
    ordered=True,
    followups=(
        FollowUp(
            ("And if {field} may be missing, with {number} as the border? Show `{function}` again.",),
            ("number",),
        ),
        FollowUp(
            ("We compare {field} now, not the other one. Rewrite `{function}` for {rows}.",), ("field",)
        ),
    ),
)

_ERROR = Case(
    name="explain_error",
    opening=(
        "What does this error mean?",
        "I get an exception in {path}/{module}.py.",
        "`{function}` crashes, can you help?",
        "Our nightly job failed with this:",
    ),
    body=(
        (
            '```\nFile "{path}/{module}.py", line {line}, in {function}\n    total += {item}["{field}"]\n'
            "KeyError: '{field}'\n```",
            '```\n{path}/{module}.py:{line}: in {function}\n    value = {item}["{field}"] * {number}\n'
            "KeyError: '{field}'\n```",
        ),
        (
            "It happens for {small} of {count} {rows}.",
            "Only {small} {rows} out of {count} are affected.",
            "{small} times among {count} {rows}, always at night.",
        ),
        _WHY,
    ),
    answer=(
        (
            "In line {line} of `{module}.py` the code reads `{field}` from a {item} that does not have it.",
            "The `KeyError` says that a {item} without `{field}` reached line {line} of `{module}.py`.",
        ),
        (
            "Since only {small} of {count} {rows} are affected, the data is incomplete rather than the code wrong.",
            "It concerns {small} of {count} {rows}, so probably a source that leaves the field out.",
        ),
        (
            'Decide what a missing value means. If zero is right, use\n```python\n{item}.get("{field}", 0)\n```',
            'If such {rows} may be skipped, write\n```python\nif "{field}" in {item}:\n    total += {item}["{field}"]\n```',
            'To skip them:\n```python\n{rows} = [r for r in {rows} if "{field}" in r]\n```',
        ),
        (
            "I would also log the ids of the {small} {rows} and ask the sender.",
            "It is worth counting them in a metric, so that {small} does not become {count}.",
        ),
        _DONE,
    ),
    checkable=("line", "field", "small"),
    topic="an error",
    followups=(
        FollowUp(("Now the same in line {line} with '{field}'. Same cause?",), ("line", "field")),
        FollowUp(("It is {small} {rows} by now. Does that change your answer about {field}?",), ("small",)),
    ),
)

FEATURE: Final = Feature(
    name="code_help",
    system=(
        "You help programmers. Answer briefly, with code in fenced blocks.",
        "You are a programming assistant. Put code in fenced blocks, use the names and numbers of the question, "
        "and say what you did not check.",
    ),
    cases=(_WRITE, _BUG, _ERROR),
    facts={
        "function": _function,
        "path": lambda d: d.pick(_PATHS),
        "module": lambda d: f"{d.pick(_NOUNS)}_{d.pick(_VERBS)}",
        "rows": lambda d: d.pick(_NOUNS),
        "field": lambda d: d.pick(_FIELDS),
        "key": lambda d: d.pick(_FIELDS),
        "number": v.count,
        "limit": lambda d: str(d.between(5, 500)),
        "small": v.small,
        "count": v.count,
        "line": lambda d: str(d.between(12, 480)),
        "project": v.project,
        "weekday": v.weekday,
        "clock": v.clock,
        "name": v.person,
        "team": v.team,
    },
    instructions=(
        Instruction(
            ("Only the standard library please.", "No extra packages.", "We cannot install anything."),
            ("", "Only the standard library is needed."),
            (
                'With pandas installed you can also write `pd.DataFrame({rows}).query("{field} >= {number}")`, '
                "which I would prefer; add it to your requirements.",
            ),
        ),
        Instruction(
            ("Add a doctest for an empty list.", "Please include an example for an empty input."),
            ("```python\n>>> {function}([])\n[]\n```", "Example: `{function}([])` returns `[]`."),
            ("", "Testing is left to you."),
        ),
        Instruction(
            ("Do not explain basics.", "Skip the explanation of Python basics."),
            ("",),
            (
                "A list in Python is an ordered collection of values, written in square brackets, and a for loop "
                "visits one value after the other until the list is exhausted.",
            ),
        ),
    ),
    outcomes=(
        OutcomeSpec("tests_passed", "tests_failed", "ci", 0.65, (10, 5000)),
        OutcomeSpec("change_kept", "change_reverted", "vcs", 0.2, (180, 8640)),
    ),
    formats=("flattened", "json", "headings"),
    separator="\n",
    asking_separator="\n",
    derive=_derive,
    difficulty=1.1,
    tool="run_tests",
    surfaces=("ide", "web"),
)
