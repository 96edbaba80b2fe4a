"""The answer a pairwise judge must give: its JSON schema, and the strict reading of what came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from curation.judge.answers import AnswerInvalid, decode_reply

MOST_STRENGTH: Final = 3


class OrderAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer about one order. The rationale comes first so that the model reasons before it decides."""

    rationale: str
    winner: Literal["first", "second", "tie"]
    strength: Annotated[int, msgspec.Meta(ge=1, le=MOST_STRENGTH)] | None
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)]


_decoder = msgspec.json.Decoder(OrderAnswer)


@dataclass(frozen=True)
class PreferenceForm:
    """The pairwise answer: schema for the server, parser for the reply."""

    name: str = "preference"

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema inside what strict structured output allows, see `VerdictForm.schema`."""
        properties: dict[str, Any] = {
            "rationale": {
                "type": "string",
                "description": "two or three sentences: how the responses differ, and what decided it",
            },
            "winner": {"type": "string", "enum": ["first", "second", "tie"]},
            "strength": {
                "type": ["integer", "null"],
                "enum": [1, 2, 3, None],
                "description": "1 slightly, 2 clearly, 3 much better; null for a tie",
            },
            "confidence": {"type": "number", "description": "0 to 1: chance that the verdict is right"},
        }
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def parse(self, content: str) -> OrderAnswer:
        """Read one reply; raises `AnswerInvalid` saying what to correct.

        A winner must come with a strength; on a tie it is dropped, as it means nothing.
        """
        answer = decode_reply(content, _decoder)
        if answer.winner == "tie":
            return msgspec.structs.replace(answer, strength=None)
        if answer.strength is None:
            raise AnswerInvalid("a winner needs a strength of 1, 2 or 3")
        return answer
