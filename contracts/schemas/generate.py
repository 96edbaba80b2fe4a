"""Build the JSON Schema documents (draft 2020-12) of the four input topics."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from contracts.topics import EVENT_TYPES

FOLDER = Path(__file__).parent


def documents() -> dict[str, str]:
    """File name → JSON Schema text, one per event type, keyed as they are checked in."""
    result = {}
    for topic, event_type in EVENT_TYPES.items():
        schema = msgspec.json.schema(event_type)
        document = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": event_type.__name__,
            "description": f"Value of the topic {topic}. Unknown fields are accepted.",
            **schema,
        }
        result[f"{event_type.__name__}.json"] = json.dumps(document, indent=2) + "\n"
    return result
