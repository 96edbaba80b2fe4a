"""The redactor: placeholders instead of personal data, the same for one value all over a conversation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from contracts.settings import RedactionKind
from curation.redaction.detectors import findings
from curation.redaction.findings import KINDS, Finding, placeholder, placeholders_in, resolve
from curation.redaction.names import Mentions, from_emails

_ROUNDS: Final = 8
"""Replacing a value brings the words around it closer together, so a text is looked at until nothing more
is found; two rounds are the rule."""
_LAST_NUMBER: Final = 999_999
_LIBRARIES: Final = ("phonenumbers", "python-stdnum")

Numbering = Callable[[RedactionKind, str], int]
"""Kind and key of a value → number of its placeholder, 1 to 999999."""


class Text(NamedTuple):
    """A text of a conversation and the word it is filed under (`phone` of `{"phone": "…"}`), if any."""

    text: str
    label: str = ""

    def shown(self, current: str) -> str:
        """What the detectors see of it."""
        return f"{self.label}: {current}" if self.label else current


class Redacted(NamedTuple):
    """The texts of a conversation after redaction, and how many spans of each kind were replaced."""

    texts: list[str]
    counts: Counter[str]


class Redactor:
    """Replaces personal data and secrets in conversations. Stateless: can be pickled and shared."""

    def __init__(self, kinds: Collection[RedactionKind] | None = None) -> None:
        """`kinds`: what to redact; everything when not given."""
        chosen = set(KINDS if kinds is None else kinds)
        if unknown := chosen - set(KINDS):
            raise ValueError(f"unknown kinds: {', '.join(sorted(unknown))}")
        self.kinds: tuple[RedactionKind, ...] = tuple(kind for kind in KINDS if kind in chosen)
        self.transform = f"redact@{_version(self.kinds)}"
        """Name and version for the provenance of every row."""

    def redact_conversation(
        self, texts: Sequence[str | None], *, number: Numbering | None = None
    ) -> tuple[list[str | None], Counter[str]]:
        """Redact all texts of one conversation.

        Values are numbered by kind in the order of their first occurrence, or as `number` says. Numbers of
        placeholders that are in the texts already are not given out. Returns the texts and how many spans
        of each kind were replaced. Redacting the result again changes nothing.
        """
        given = [Text(text) for text in texts if text is not None]
        ((redacted, counts),) = self.redact_conversations([given], numbers=[number])
        found = iter(redacted)
        return [None if text is None else next(found) for text in texts], counts

    def redact_conversations(
        self, conversations: Sequence[Sequence[Text]], *, numbers: Sequence[Numbering | None] | None = None
    ) -> list[Redacted]:
        """The same for many conversations at once, which is much faster than one after the other."""
        numbers = numbers or [None] * len(conversations)
        states = [_Conversation(self.kinds, c, n) for c, n in zip(conversations, numbers, strict=True)]
        active = states
        for _ in range(_ROUNDS):
            shown = list(dict.fromkeys(text for state in active for text in state.to_look_at()))
            if not shown:
                break
            found = dict(zip(shown, findings(shown, self.kinds), strict=True))
            active = [state for state in active if state.advance(found)]
        return [state.result() for state in states]

    def find(self, text: str) -> list[Finding]:
        """What one look finds in a text, without overlaps, in the order of the text."""
        state = _Conversation(self.kinds, [Text(text)], None)
        return state.look(dict(zip([text], findings([text], self.kinds), strict=True)))[Text(text)]


class _Conversation:
    """State of one conversation while it is redacted."""

    def __init__(
        self, kinds: Collection[RedactionKind], texts: Sequence[Text], number: Numbering | None
    ) -> None:
        self._kinds = kinds
        self._texts = texts
        self._number = number
        self._current = {text: text.text for text in texts}
        self._pending = list(self._current)
        self._found: dict[Text, list[Finding]] = {}
        self._counts: dict[Text, Counter[str]] = {text: Counter() for text in self._current}
        self._numbers: dict[tuple[str, str], int] = {}
        self._taken = {(kind, n) for text in self._current for kind, n, _, _ in placeholders_in(text.text)}
        self._last: Counter[str] = Counter()
        self._sure: set[tuple[str, str]] = set()
        self._names: set[str] = set()

    def to_look_at(self) -> list[str]:
        """Texts as the detectors are to see them next."""
        return [text.shown(self._current[text]) for text in self._pending]

    def look(self, found: Mapping[str, Sequence[Finding]]) -> dict[Text, list[Finding]]:
        """Learn from what the detectors found in the texts to look at; returns what counts, by text."""
        for text in self._pending:
            head = len(text.shown(""))
            self._found[text] = [
                each._replace(start=each.start - head, end=each.end - head)
                for each in found[text.shown(self._current[text])]
                if each.start >= head
            ]
            self._learn(self._current[text], self._found[text])
        if "name" in self._kinds:
            spelt = from_emails(sorted(key for kind, key in self._sure if kind == "email"))
            self._names.update(name for name in spelt if any(name in t for t in self._current.values()))
        mentions = Mentions(self._names)
        return {text: self._counted(text, mentions) for text in self._current}

    def advance(self, found: Mapping[str, Sequence[Finding]]) -> bool:
        """Replace what counts; whether changed texts have to be looked at again."""
        self._pending = [text for text, counted in self.look(found).items() if self._replace(text, counted)]
        return bool(self._pending)

    def result(self) -> Redacted:
        """The texts as they are now."""
        total: Counter[str] = Counter()
        for text in self._texts:
            total.update(self._counts[text])
        return Redacted([self._current[text] for text in self._texts], total)

    def _learn(self, current: str, found: Iterable[Finding]) -> None:
        """Remember the values that count by themselves: they count wherever they stand."""
        for each in found:
            if each.sure:
                self._sure.add((each.kind, each.key))
            if each.kind == "name":
                self._names.add(current[each.start : each.end])

    def _counted(self, text: Text, mentions: Mentions) -> list[Finding]:
        current = self._current[text]
        counted = [each for each in self._found[text] if each.sure or (each.kind, each.key) in self._sure]
        counted = [f._replace(key=mentions.person(f.key)) if f.kind == "name" else f for f in counted]
        counted += mentions.find(current)
        if not counted:
            return counted
        return resolve(counted, ((start, end) for _, _, start, end in placeholders_in(current)))

    def _replace(self, text: Text, counted: Sequence[Finding]) -> bool:
        """Put placeholders into a text; whether anything changed."""
        if not counted:
            return False
        current, pieces, done = self._current[text], [], 0
        for each in counted:
            pieces += [current[done : each.start], placeholder(each.kind, self._number_of(each))]
            done = each.end
        self._current[text] = "".join([*pieces, current[done:]])
        self._counts[text].update(each.kind for each in counted)
        return True

    def _number_of(self, found: Finding) -> int:
        """The number of a value's placeholder; a new value gets a free one."""
        value = (found.kind, found.key)
        if value not in self._numbers:
            wanted = (
                self._last[found.kind] + 1 if self._number is None else self._number(found.kind, found.key)
            )
            while (found.kind, wanted) in self._taken:
                wanted = wanted % _LAST_NUMBER + 1
            self._taken.add((found.kind, wanted))
            self._last[found.kind] = wanted
            self._numbers[value] = wanted
        return self._numbers[value]


def _version(kinds: Iterable[str]) -> str:
    """Hash of what decides a redacted text: the rules (source of this package), libraries, kinds."""
    digest = hashlib.sha256(repr([*kinds, *((name, version(name)) for name in _LIBRARIES)]).encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
