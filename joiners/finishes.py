"""How a call ended: by its finish reason, by its first words, and by its last ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import polars as pl

from contracts.events import Message
from contracts.messages import output_text

TRUNCATED_REASONS: Final = ["length", "max_tokens", "max_output_tokens", "model_length"]
FILTERED_REASONS: Final = ["content_filter", "safety", "blocklist", "prohibited_content"]

_DECLINE_EN: Final = (
    r"i['’]?m (?:really |very |so )?sorry\b.{0,40}\b(?:can['’]?t|cannot|unable|not able)"
    r"|(?:sorry|unfortunately|apologies)?\W*(?:but )?(?:i|we) "
    r"(?:can['’]?t|cannot|can not|am unable to|am not able to"
    r"|won['’]?t|will not|must decline to|have to decline)\b[^.]{0,60}"
    r"\b(?:help|assist|comply|do that|provide|answer|fulfil|fulfill|share|discuss|with that)"
    r"|as an ai\b.{0,60}\b(?:can['’]?t|cannot|unable|not able)"
)
_DECLINE: Final = (
    _DECLINE_EN,
    r"(?:es )?tut mir (?:sehr )?leid.{0,20}\b(?:kann|darf|ich kann)\b.{0,60}\b(?:nicht|kein\w*)\b",
    r"(?:je suis |)(?:vraiment )?désolée?.{0,20}\bje ne (?:peux|suis) (?:pas|en mesure)",
    r"(?:lo siento|lamento).{0,20}\bno puedo\b",
    r"(?:desculpe|sinto muito|lamento).{0,20}\bnão posso\b",
    r"mi dispiace.{0,20}\bnon posso\b",
    r"(?:извините|к сожалению|простите).{0,20}\bне (?:могу|можем)\b",
    r"(?:很?抱歉|对不起|對不起|不好意思).{0,12}(?:不能|无法|無法|不可以|没办法)",
    r"申し訳(?:ありません|ございません|ないです).{0,60}(?:できません|できかねます|いたしかねます|お答えできない)",
    r"죄송(?:하지만|합니다).{0,40}(?:수 없|어렵습니다|않습니다)",
)
REFUSAL_PATTERN: Final = rf"(?i)^\W*(?:{'|'.join(_DECLINE)})"
"""Openings by which assistants decline; only the first 200 characters are looked at."""

ENDINGS: Final = ("closed", "open", "empty")
"""closed: the response ends as texts end; open: it breaks off; empty: it says nothing."""

_WORD: Final = re.compile(r"\w")
_NOTHING: Final = frozenset({"null", "none", "nil", "n/a", "undefined", "nan", "todo"})
_CONNECTORS: Final = frozenset(",-–—([{<=+&\\/")
_PROSE_WORDS: Final = 6
_PROSE_UNSPACED: Final = 20
_SIGNATURE_WORDS: Final = 4
_SENTENCE_ENDS: Final = (". ", ".\n", "! ", "? ", "。", "！", "？")


def output_ending(messages: Sequence[Message] | None) -> str | None:
    """How the text of a response ends, one of `ENDINGS`; None where no text was logged.

    A response that calls tools or holds other parts and says nothing is no empty one: None as well.
    """
    if messages is None:
        return None
    if (text := output_text(messages)) is not None:
        return text_ending(text)
    silent = all(part.get("type") in ("text", "reasoning") for m in messages for part in m.parts or ())
    return "empty" if silent else None


def text_ending(text: str) -> str:
    """How a text ends, one of `ENDINGS`.

    Open: inside a code block; after a comma, hyphen, opening bracket or operator; or in the middle of a
    line of prose (at least six words, or twenty characters of a script without spaces) of a text whose
    other sentences end in full stops. Titles, lists, single values and signatures need none.
    """
    if _WORD.search(text) is None:
        return "empty"
    tail = text.rstrip()
    last = tail[-1]
    if not last.isalnum():
        # A line of dashes is a rule.
        cut = last in _CONNECTORS and not tail.endswith(("---", "———"))
        return "open" if cut or text.count("```") % 2 else "closed"
    if len(tail) < 16 and tail.strip().lower() in _NOTHING:
        return "empty"
    if text.count("```") % 2:
        return "open"
    line = tail[max(tail.rfind("\n") + 1, len(tail) - 400) :]
    prose = line.count(" ") >= _PROSE_WORDS - 1 or (last >= "\u3040" and len(line) >= _PROSE_UNSPACED)
    if not prose:
        return "closed"
    begins = max(
        (found + len(end) for end in _SENTENCE_ENDS if (found := tail.rfind(end)) >= 0), default=None
    )
    return "open" if begins is not None and not _is_signature(tail[begins:]) else "closed"


def _is_signature(text: str) -> bool:
    """Whether what follows the last sentence is a name: few words, all of them capitalised."""
    words = text.split()
    return len(words) <= _SIGNATURE_WORDS and all(word[0].isupper() for word in words)


def is_refusal(response: pl.Expr | pl.Series) -> pl.Expr | pl.Series:
    """Whether a response opens like a refusal; false where there is none."""
    return response.str.slice(0, 200).str.contains(REFUSAL_PATTERN).fill_null(value=False)


def finish_class() -> pl.Expr:
    """How the call ended: error, filtered, truncated, refusal, empty or ok."""
    reason = pl.col("finish_reason").str.to_lowercase()
    return (
        pl.when(pl.col("error_type").is_not_null() | (reason == "error").fill_null(value=False))
        .then(pl.lit("error"))
        .when(reason.is_in(FILTERED_REASONS).fill_null(value=False))
        .then(pl.lit("filtered"))
        .when(reason.is_in(TRUNCATED_REASONS).fill_null(value=False))
        .then(pl.lit("truncated"))
        .when((reason == "refusal").fill_null(value=False) | is_refusal(pl.col("response_text")))
        .then(pl.lit("refusal"))
        .when((pl.col("ending") == "empty").fill_null(value=False))
        .then(pl.lit("empty"))
        .otherwise(pl.lit("ok"))
    )
