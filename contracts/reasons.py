"""Reason codes of dead letters: stable, so that alerts and replays can name them."""

from __future__ import annotations

MALFORMED_JSON = "malformed_json"
INVALID_UTF8 = "invalid_utf8"
TOO_DEEP = "too_deep"
TOO_LARGE = "too_large"
TOMBSTONE = "tombstone"
SCHEMA = "schema"
TIME_FORMAT = "time_format"
TIME_RANGE = "time_range"
NO_TARGET = "no_target"
AMBIGUOUS_TEXT = "ambiguous_text"
CONTROL_CHARACTER = "control_character"
POISON = "poison"
ERASED = "erased"

DESCRIPTIONS: dict[str, str] = {
    MALFORMED_JSON: "the value is not JSON",
    INVALID_UTF8: "the value is not UTF-8 text",
    TOO_DEEP: "the JSON is nested too deeply to be read",
    TOO_LARGE: "the value is larger than `kafka.max_value_bytes`",
    TOMBSTONE: "the message has no value",
    SCHEMA: "a known field is missing or has the wrong type",
    TIME_FORMAT: "`occurred_at` is neither RFC 3339 with an offset nor epoch milliseconds",
    TIME_RANGE: "`occurred_at` lies before 2020 or more than 24 h ahead",
    NO_TARGET: "an outcome names neither a session nor a request",
    AMBIGUOUS_TEXT: "the text is given twice, as messages and as a string",
    CONTROL_CHARACTER: "an id holds a control character",
    POISON: "the event is valid but a later step cannot process it",
    ERASED: "the event is of a person who was erased; its key and value are not kept",
}
"""What each code means, for `tailrace dead-letters` and the docs."""
