"""The answer an LLM judge must give: its JSON schema, and the strict reading of what came back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec

from contracts.errors import TailraceError
from curation.judge.verdicts import FailureKind, VerdictWord

_MAX_PROBLEM_CHARS: Final = 200


class AnswerInvalid(TailraceError):
    """An answer is not JSON or does not fit the schema.

    The message may quote the answer: it is for the repair request, never for logs.
    """


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pointwise answer. The rationale comes first so that the model reasons before it decides."""

    rationale: str
    verdict: VerdictWord
    failure_kind: FailureKind | None
    severity: Annotated[int, msgspec.Meta(ge=1, le=5)] | None
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)]
    improved_response: str | None


_decoder = msgspec.json.Decoder(Answer)

T = TypeVar("T")


@dataclass(frozen=True)
class VerdictForm:
    """The pointwise answer under one taxonomy: schema for the server, parser for the reply."""

    kinds: tuple[FailureKind, ...]
    name: str = "verdict"

    @classmethod
    def for_taxonomy(cls, taxonomy: Iterable[FailureKind]) -> VerdictForm:
        """The form whose failure kinds are those of a rubric."""
        return cls(kinds=tuple(taxonomy))

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema inside what strict structured output allows.

        All properties are required and nothing else is accepted; absence is null. Bounds of numbers
        are stated in words: some servers reject `minimum`/`maximum` in grammars, and `parse` checks.
        Servers that make grammars of schemas overlook an `enum` beside several types, so null is an
        alternative of its own.
        """
        properties: dict[str, Any] = {
            "rationale": {
                "type": "string",
                "description": "two or three sentences: what is good or bad, and what decided it",
            },
            "verdict": {"type": "string", "enum": ["fail", "pass", "unsure"]},
            "failure_kind": {
                "anyOf": [{"type": "string", "enum": [str(k) for k in self.kinds]}, {"type": "null"}],
                "description": "kind of failure; null unless the verdict is fail",
            },
            "severity": {
                "anyOf": [{"type": "integer", "enum": [1, 2, 3, 4, 5]}, {"type": "null"}],
                "description": "1 cosmetic to 5 harm; null unless the verdict is fail",
            },
            "confidence": {"type": "number", "description": "0 to 1: chance that the verdict is right"},
            "improved_response": {
                "type": ["string", "null"],
                "description": "a better final response, or null",
            },
        }
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def parse(self, content: str) -> Answer:
        """Read one reply; raises `AnswerInvalid` saying what to correct.

        A failure must name kind and severity; on other verdicts both are dropped, as they mean nothing.
        """
        answer = decode_reply(content, _decoder)
        if answer.verdict != "fail":
            return msgspec.structs.replace(answer, failure_kind=None, severity=None)
        if answer.failure_kind is None or answer.severity is None:
            raise AnswerInvalid("a verdict of fail needs failure_kind and severity")
        if answer.failure_kind not in self.kinds:
            raise AnswerInvalid("failure_kind is not in the list")
        return answer


def decode_reply(content: str, decoder: msgspec.json.Decoder[T]) -> T:
    """The answer in a reply; raises `AnswerInvalid` saying what does not fit."""
    try:
        return decoder.decode(extract_json(content))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise AnswerInvalid(str(error)[:_MAX_PROBLEM_CHARS]) from None


def extract_json(content: str) -> str:
    """The JSON object in a reply: servers without structured output wrap it in prose or a code fence.

    Thinking aloud before ``</think>`` is skipped. Without braces the text is returned as it is.
    """
    text = content.rpartition("</think>")[2].strip()
    if not (text.startswith("{") and text.endswith("}")):
        start, end = text.find("{"), text.rfind("}")
        text = text[start : end + 1] if 0 <= start < end else text
    return _strict(text)


def _strict(text: str) -> str:
    """JSON with line breaks inside strings, as grammars of local servers allow them, in its strict form."""
    if not any(c < " " for c in text):
        return text
    try:
        return json.dumps(json.loads(text, strict=False), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
