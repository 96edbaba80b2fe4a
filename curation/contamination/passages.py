"""Passages: the stretches of a text that are compared with eval items as wholes.

A leak may be a whole turn or a few sentences inside a longer one, so a text is cut at sentences into
overlapping passages of the lengths eval items have. Of code only what says what it does counts: names of
functions, documentation and comments, without worked examples. Paraphrased code keeps its task, while
statements, variables and examples change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from curation.texts.tokens import tokens

MAX_SENTENCE_CHARS: Final = 400
"""A longer sentence (or text without any punctuation) is cut."""

_SENTENCE: Final = re.compile(rf"[^.!?。！？؟।\n]{{1,{MAX_SENTENCE_CHARS}}}[.!?。！？؟।\n]*")
_FUNCTION: Final = re.compile(
    r"(?:\bdef|\bfunction|\bfn|\bfunc|\bfun)\s+([A-Za-z_]\w*)\s*[(<\[]"
    r"|\b(?:public|private|protected|static)\s[\w<>\[\], ]*?([A-Za-z_]\w*)\s*\("
)
_DOCUMENTATION: Final = re.compile(
    r'"""(.*?)(?:"""|\Z)' r"|'''(.*?)(?:'''|\Z)" r"|/\*(.*?)(?:\*/|\Z)" r"|(?:^|\s)(?://+|#+)[ \t]*([^\n]+)",
    re.DOTALL,
)
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_EXAMPLE: Final = re.compile(
    r"""^\W*(?:(?:for\s+)?(?:example|e\.?g|illustration|note)s?\b[^a-z]*$|>>>|assert\b|print\b)
    |[)\]}"'\w]\s*(?:==>?|=>|->|➞|→|⇒|➜)\s*\S""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a text: its words (the same tokens as everywhere), its place, and whether it is code."""

    words: tuple[str, ...]
    start: int
    end: int
    is_code: bool


def description(code: str) -> str:
    """What a piece of code says it does; empty when it says nothing.

    The names of its functions, then its documentation without lines that call them or show results.
    """
    names = [name for found in _FUNCTION.findall(code) for name in found if name]
    calls = [f"{name}(" for name in names]
    lines: list[str] = []
    for found in _DOCUMENTATION.finditer(code):
        after_prompt = False
        for line in next(group for group in found.groups() if group is not None).splitlines():
            stripped = line.strip(" \t*")
            if after_prompt:
                after_prompt = False
                continue
            after_prompt = stripped.startswith(">>>")
            if after_prompt or any(call in stripped for call in calls) or _EXAMPLE.search(stripped):
                continue
            lines.append(stripped)
    return "\n".join([*(_CAMEL.sub(" ", name).replace("_", " ") for name in names), *lines])


def is_code(text: str) -> bool:
    """Whether a text defines a function."""
    return _FUNCTION.search(text) is not None


def whole(text: str) -> Passage:
    """An eval item as one passage: its description when it is code that has one, else all of it."""
    if is_code(text) and (said := tokens(description(text))):
        return Passage(tuple(said), 0, len(text), is_code=True)
    return Passage(tuple(tokens(text)), 0, len(text), is_code=False)


def passages(text: str, sizes: Sequence[int]) -> Iterator[Passage]:
    """The passages of one turn: whole, and of about each of `sizes` words where it is longer than that.

    Passages of one size overlap by half. Code gives one more, its description.
    """
    sentences = [
        (found.start(), found.end(), words)
        for found in _SENTENCE.finditer(text)
        if (words := tokens(found.group()))
    ]
    if not sentences:
        return
    if is_code(text) and (said := tokens(description(text))):
        yield Passage(tuple(said), 0, len(text), is_code=True)
    total = sum(len(words) for _, _, words in sentences)
    if total <= 2 * max(sizes):
        yield _joined(sentences)
    for size in sizes:
        if total > size * 1.25:
            yield from _sliding(sentences, size)


def _sliding(sentences: list[tuple[int, int, list[str]]], size: int) -> Iterator[Passage]:
    first = last = held = 0
    while last < len(sentences):
        reached = last
        while last < len(sentences) and (held == 0 or held + len(sentences[last][2]) <= size * 1.25):
            held += len(sentences[last][2])
            last += 1
        if last == reached:  # what is held leaves no room for the next sentence
            first, held = last, 0
            continue
        yield _joined(sentences[first:last])
        if last == len(sentences):
            return
        while held > size / 2:
            held -= len(sentences[first][2])
            first += 1


def _joined(sentences: list[tuple[int, int, list[str]]]) -> Passage:
    words = tuple(word for _, _, part in sentences for word in part)
    return Passage(words, sentences[0][0], sentences[-1][1], is_code=False)
