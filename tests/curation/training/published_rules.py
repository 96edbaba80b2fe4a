"""What those who take fine-tuning files say about them, as checks of a line: each returns what is wrong.

OpenAI's request schema lies in `tests/data/openai_fine_tuning.schema.json`. Of the others' rules only those
are here that are stricter. They were read in November 2026:

- Together: documentation, "Data preparation", "Preference fine-tuning" and "Function-calling fine-tuning";
  `check_file` of its Python library 2.10, the last that checks lines before they are sent.
- Fireworks: documentation, "Supervised Fine Tuning - Text" and "Direct Preference Optimization".
- Azure: Microsoft Learn, "Direct preference optimization" and "Fine-tuning and tool calling".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema

Line = dict[str, Any]

SCHEMA_FILE: Final = Path(__file__).parents[2] / "data" / "openai_fine_tuning.schema.json"
OUTPUTS: Final = ("preferred_output", "non_preferred_output")


@cache
def openai_schema(name: str) -> jsonschema.Draft202012Validator:
    """OpenAI's schema of a line by its published name.

    Objects are closed: the published schema lets unknown fields through, the API refuses files with them
    ("contains an extra …").
    """
    schema = json.loads(SCHEMA_FILE.read_text())
    defs = {key: _closed(_merged(value, schema["$defs"])) for key, value in schema["$defs"].items()}
    jsonschema.Draft202012Validator.check_schema({"$defs": defs})
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": defs})


def _merged(schema: Any, defs: dict[str, Any]) -> Any:
    """`allOf` of objects as one object."""
    if "allOf" not in schema:
        return schema
    parts = [defs[part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part for part in schema["allOf"]]
    properties = {name: value for part in parts for name, value in part["properties"].items()}
    return {"type": "object", "properties": properties, "required": schema["required"]}


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return {"additionalProperties": False, **closed} if "properties" in schema else closed


def openai(line: Line) -> list[str]:
    """What OpenAI's schema says against a line."""
    name = "FineTuneChatRequestInput" if "messages" in line else "FineTunePreferenceRequestInput"
    return [error.message for error in openai_schema(name).iter_errors(line)]


def together(line: Line) -> list[str]:
    """What Together's rules say against a line."""
    return list(_together(line))


def _together(line: Line) -> Iterator[str]:
    if "messages" in line:
        if extra := line.keys() - {"messages", "tools"}:
            yield f"extra columns {sorted(extra)}"
        talk = line["messages"]
        if not any(turn["role"] == "assistant" for turn in talk):
            yield "no assistant"
    else:
        if line.keys() != {"input", *OUTPUTS}:
            yield f"columns {sorted(line)}"
        talk = line["input"]["messages"]
        if talk[-1]["role"] == "assistant":
            yield "the input ends with the assistant"
        for output in OUTPUTS:
            if len(line[output]) != 1 or line[output][0]["role"] != "assistant":
                yield f"{output} is not one message of the assistant"
            if "content" in line[output][0] and not isinstance(line[output][0]["content"], str):
                yield f"the content of {output} is no text"
    for turn in talk:
        if turn["role"] not in ("system", "user", "assistant", "tool"):
            yield f"role {turn['role']}"
        if "content" not in turn and "tool_calls" not in turn:
            yield "a message with neither content nor calls"
        if turn.get("weight", 0) not in (0, 1):
            yield "a weight that is neither 0 nor 1"
    yield from _alternating(talk)


def _alternating(talk: list[Line]) -> Iterator[str]:
    """ "Must start with system or user and alternate user and assistant afterwards"; calls and what they gave
    stand in between."""
    spoken = [turn["role"] for turn in talk if turn["role"] != "tool" and not turn.get("tool_calls")]
    if spoken[0] not in ("system", "user"):
        yield f"starts with {spoken[0]}"
    turns = spoken[1:] if spoken[0] == "system" else spoken
    if turns != ["user", "assistant"] * (len(turns) // 2) + ["user"] * (len(turns) % 2):
        yield f"does not alternate: {turns}"


def fireworks(line: Line) -> list[str]:
    """What Fireworks' rules say against a line."""
    talk = line["messages"] if "messages" in line else line["input"]["messages"]
    found = ["a system message that is not the first" for turn in talk[1:] if turn["role"] == "system"]
    outputs = [turn for output in OUTPUTS for turn in line.get(output, ())]
    for turn in [*talk, *outputs]:
        if not isinstance(turn.get("content"), str) and not turn.get("tool_calls"):
            found.append(f"content of a message by {turn['role']} is no text")
        if turn["role"] not in ("system", "user", "assistant", "tool"):
            found.append(f"role {turn['role']}")
    return found


def azure(line: Line) -> list[str]:
    """What Azure's rules say against a line."""
    found = []
    for output in OUTPUTS if "input" in line else ():
        roles = {turn["role"] for turn in line[output]}
        if "assistant" not in roles or roles - {"assistant", "tool"}:
            found.append(f"roles in {output}: {sorted(roles)}")
    return found


PUBLISHED: Final = {"openai": openai, "together": together, "fireworks": fireworks, "azure": azure}
