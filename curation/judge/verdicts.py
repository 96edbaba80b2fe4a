"""What goes into a judge and what comes out: items, evidence, verdicts, judgments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final, Literal

import msgspec

from contracts.events import Message

Scalar = float | int | bool | str | None
"""One observed feature. Strings are our own class names (`finish_class`), never user text."""

VerdictWord = Literal["fail", "pass", "unsure"]

# Part of every content hash: raise it when the canonical form changes, so that no old verdict is
# mistaken for one about the new form.
_CONTENT_FORM: Final = 1
_EVIDENCE_DIGITS: Final = 6

# Columns of `interactions` a judge may see. Presence flags are left out: null says the same.
FEATURE_COLUMNS: Final = (
    "finish_class",
    "thumbs",
    "rating",
    "unfinished",
    "edit_ratio",
    "edit_class",
    "regenerate_count",
    "retry_count",
    "rephrase_similarity",
    "rephrase_chain",
    "undo_count",
    "copy_count",
    "accept_count",
    "dwell_ms",
    "abandoned",
    "escalate_count",
    "report_count",
    "outcome_success",
    "outcome_count",
)


class FailureKind(StrEnum):
    """The taxonomy of failures; a rubric may use a part of it but adds nothing to it."""

    FACTUAL = "factual"
    """says something false, invented or unsupported"""
    INSTRUCTION = "instruction"
    """does not do what was asked, or ignores a constraint"""
    UNHELPFUL = "unhelpful"
    """true and on topic, but of no use to this user"""
    REFUSAL = "refusal"
    """declines a request that should have been answered"""
    UNSAFE = "unsafe"
    """could harm somebody, or leaks what it must not"""
    FORMAT = "format"
    """broken structure, wrong language, cut off"""
    TOOL_USE = "tool_use"
    """wrong tool, wrong arguments, or a misread result"""
    STALE_KNOWLEDGE = "stale_knowledge"
    """was true once and no longer is"""
    PREFERENCE_MISMATCH = "preference_mismatch"
    """correct, but not in the tone, length or style wanted"""
    OTHER = "other"
    """a failure none of the others names"""


class UnjudgedReason(StrEnum):
    """Why an item has no verdict."""

    BUDGET = "budget"
    """the budget was spent before (or while) the item was judged"""
    RATE_LIMITED = "rate_limited"
    """still told to slow down after the last retry"""
    TIMEOUT = "timeout"
    """no answer in time, after the last retry"""
    UNAVAILABLE = "unavailable"
    """server errors or broken connections, after the last retry"""
    PENDING = "pending"
    """asked in a batch that goes on at the endpoint; a later run fetches the answer"""
    ENDPOINT_DOWN = "endpoint_down"
    """not tried: so many items failed in a row that the rest was spared"""
    ENDPOINT_REFUSED = "endpoint_refused"
    """not tried, or refused: the endpoint began to reject our key or model during the run"""
    EMPTY_ANSWER = "empty_answer"
    """answers without content, after the last retry"""
    INVALID_ANSWER = "invalid_answer"
    """the answer did not fit the schema, and the repair did not either"""
    REFUSAL = "refusal"
    """the model declined to judge"""
    CONTENT_FILTER = "content_filter"
    """the provider's filter stopped the answer"""
    TOO_LONG = "too_long"
    """the conversation does not fit the model's context"""
    REJECTED = "rejected"
    """the endpoint rejects this one request (HTTP 4xx)"""


MAY_PASS: Final = frozenset(
    {
        UnjudgedReason.BUDGET,
        UnjudgedReason.PENDING,
        UnjudgedReason.RATE_LIMITED,
        UnjudgedReason.TIMEOUT,
        UnjudgedReason.UNAVAILABLE,
        UnjudgedReason.ENDPOINT_DOWN,
        UnjudgedReason.ENDPOINT_REFUSED,
        UnjudgedReason.EMPTY_ANSWER,
    }
)
"""Reasons that lie in the moment: the same item may be judged another time."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What users and downstream systems did about one response; numbers only, no user text.

    ``failure_score`` is a probability (0 to 1), ``contributions`` signal → log-odds, ``features``
    feature → observed value (names and units of table `interactions`; None or absent: unobserved).
    New features need no change here.
    """

    failure_score: float
    failure_hint: str = "unknown"
    contributions: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, Scalar] = field(default_factory=dict)

    @classmethod
    def from_interaction(cls, row: Mapping[str, Any]) -> Evidence:
        """Read it from a row of table `interactions` (as `DataFrame.iter_rows(named=True)` yields)."""
        return cls(
            failure_score=row["failure_score"],
            failure_hint=row["failure_hint"],
            contributions={c["signal"]: c["contribution"] for c in row["contributions"] or ()},
            features={name: row.get(name) for name in FEATURE_COLUMNS},
        )

    def observed(self) -> dict[str, Scalar]:
        """The features that were observed, by name in alphabetical order, floats rounded."""
        return {k: _rounded(v) for k, v in sorted(self.features.items()) if v is not None}

    def canonical(self) -> dict[str, Any]:
        """The evidence as it enters hashes: order and float noise do not matter, None is absence."""
        return {
            "failure_score": _rounded(self.failure_score),
            "failure_hint": self.failure_hint,
            "contributions": {k: _rounded(v) for k, v in sorted(self.contributions.items())},
            "features": self.observed(),
        }


@dataclass(frozen=True, kw_only=True)
class JudgeItem:
    """One interaction to be judged: the whole conversation, the tools, the evidence.

    ``tools`` is the decoded JSON of the tool definitions. Messages are in the stored form
    (`contracts.messages`) and must not be changed afterwards.
    """

    request_id: str
    input_messages: Sequence[Message]
    output_messages: Sequence[Message]
    evidence: Evidence
    tools: Any = None

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (64 hex) of everything about the item that decides a verdict; not its id."""
        content = [
            _CONTENT_FORM,
            list(self.input_messages),
            list(self.output_messages),
            self.tools,
            self.evidence.canonical(),
        ]
        return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A judge's word on one content.

    ``failure_kind`` and ``severity`` (1 cosmetic … 5 harmful) are None when nothing failed.
    ``input_tokens``, ``output_tokens`` and ``cost_usd`` are what the verdict cost when it was made,
    repairs included; 0 USD when the price is not known.
    """

    verdict: VerdictWord
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)]
    failure_kind: FailureKind | None = None
    severity: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    rationale: str | None = None
    improved_response: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Spend:
    """What was spent in this run: calls that may have been billed, tokens, US dollars."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
        )

    def __sub__(self, other: Spend) -> Spend:
        return Spend(
            calls=self.calls - other.calls,
            input_tokens=self.input_tokens - other.input_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
            cost_usd=self.cost_usd - other.cost_usd,
        )


@dataclass(frozen=True, kw_only=True)
class Judgment:
    """What became of one item: a verdict, or the reason why there is none (never both).

    ``spent`` is what this run paid for it: nothing when the verdict came from the cache or from an
    item with the same content, but something also when an item stays unjudged after paid answers.
    ``detail`` explains ``reason`` without user text. ``improved_by`` is the model that wrote the improved
    response when that is not the epoch's (a member of a panel).
    """

    request_id: str
    content_hash: str
    epoch: str
    verdict: Verdict | None = None
    reason: UnjudgedReason | None = None
    detail: str = ""
    spent: Spend = Spend()
    improved_by: str = ""

    def __post_init__(self) -> None:
        if (self.verdict is None) == (self.reason is None):
            raise ValueError("a judgment has either a verdict or a reason")


def total_spent(judgments: Sequence[Judgment]) -> Spend:
    """Sum of what a run paid, unjudged items included."""
    return sum((j.spent for j in judgments), Spend())


def _rounded(value: Any) -> Any:
    return round(value, _EVIDENCE_DIGITS) if isinstance(value, float) else value
