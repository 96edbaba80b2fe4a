"""Light rows read back from the lake, the same shapes the stream's windows hold."""

from __future__ import annotations

import polars as pl

from contracts.messages import decode_messages, last_user_text, output_text
from joiners.finishes import output_ending
from joiners.light import (
    PROMPT_CHARS,
    REQUEST_COLUMNS,
    REQUEST_CONTEXT,
    RESPONSE_CHARS,
)


def _prompt(stored: str) -> str | None:
    text = last_user_text(decode_messages(stored))
    return text[:PROMPT_CHARS] if text else None


def _response(stored: str) -> str | None:
    text = output_text(decode_messages(stored))
    return text[:RESPONSE_CHARS] if text else None


def _ending(stored: str) -> str | None:
    return output_ending(decode_messages(stored))


def light_requests(requests: pl.DataFrame) -> pl.DataFrame:
    """Light rows of bronze requests; needs `input_messages` and `output_messages`."""
    return requests.with_columns(
        prompt_text=requests["input_messages"].map_elements(_prompt, return_dtype=pl.String),
        response_text=requests["output_messages"].map_elements(_response, return_dtype=pl.String),
        ending=requests["output_messages"].map_elements(_ending, return_dtype=pl.String),
    ).select(REQUEST_COLUMNS)


REQUEST_SOURCE_COLUMNS = (*REQUEST_CONTEXT, "input_messages", "output_messages")
"""Bronze columns `light_requests` needs."""
