"""Chat messages: from the wire to the one stored form, and from there to text.

The stored form is canonical JSON: a list of ``{"role", "parts", …}`` in OpenTelemetry GenAI shape,
compact, keys of messages in declaration order, keys of parts sorted. Sugar (`prompt`, `response`,
`content`) ends in the same form as the equivalent message parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts import reasons
from contracts.errors import EventInvalid
from contracts.events import Message

# Deterministic: the keys of parts are sorted, whatever order the producer wrote them in.
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(list[Message]).decode

TEXT_TYPES = frozenset({"text", "reasoning"})


def text_message(role: str, text: str) -> Message:
    """One message with a single text part."""
    return Message(role=role, parts=[{"type": "text", "content": text}])


def normalize(
    messages: list[Message] | None, sugar: str | None, *, role: str, field: str
) -> list[Message] | None:
    """Bring both ways of giving text to message parts.

    Returns None when the event carries no text. Raises `EventInvalid` (`ambiguous_text`, `schema`)
    when text is given twice or a part has no type, or a text part no content.
    """
    if sugar is not None:
        if messages is not None:
            raise EventInvalid(
                reasons.AMBIGUOUS_TEXT, "give messages or a string, not both", field=f"$.{field}"
            )
        return [text_message(role, sugar)]
    if messages is None:
        return None
    for i, message in enumerate(messages):
        parts = message.parts
        if message.content is not None:
            if parts is not None:
                raise EventInvalid(
                    reasons.AMBIGUOUS_TEXT,
                    "a message has both parts and content",
                    field=f"$.{field}[{i}]",
                )
            message.parts = [{"type": "text", "content": message.content}]
            message.content = None
        elif parts is None:
            raise EventInvalid(
                reasons.SCHEMA, "a message has neither parts nor content", field=f"$.{field}[{i}]"
            )
        else:
            for j, part in enumerate(parts):
                kind = part.get("type")
                if not isinstance(kind, str) or (
                    kind in TEXT_TYPES and not isinstance(part.get("content"), str)
                ):
                    raise EventInvalid(
                        reasons.SCHEMA,
                        "a part needs a string `type`, and text parts a string `content`",
                        field=f"$.{field}[{i}].parts[{j}]",
                    )
    return messages


def encode_messages(messages: Sequence[Message]) -> str:
    """The stored form of normalized messages."""
    return _encode(messages).decode()


def decode_messages(stored: str | bytes) -> list[Message]:
    """Read the stored form back."""
    return _decode(stored)


def message_text(message: Message) -> str:
    """The text a person would read: text parts joined by newlines; reasoning and tools left out."""
    parts = message.parts
    if not parts:
        return ""
    if len(parts) == 1:
        part = parts[0]
        return part["content"] if part["type"] == "text" else ""
    return "\n".join(part["content"] for part in parts if part["type"] == "text")


def last_user_text(messages: Sequence[Message] | None) -> str | None:
    """What the user asked last, or None when no user turn has text."""
    for message in reversed(messages or ()):
        if message.role == "user" and (text := message_text(message)):
            return text
    return None


def output_text(messages: Sequence[Message] | None) -> str | None:
    """The text of the response, or None when nothing was said (metadata only, or tool calls only)."""
    if not messages:
        return None
    texts = [text for message in messages if (text := message_text(message))]
    return "\n".join(texts) if texts else None
