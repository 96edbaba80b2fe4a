"""What is asked of an endpoint and what comes back, whatever the question is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from curation.judge.endpoint import Endpoint
from curation.judge.epoch import JudgeEpoch, Task, stable_hash
from curation.judge.prompt import ChatMessages
from curation.judge.rubrics import Rubric
from curation.judge.verdicts import Spend, UnjudgedReason

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Form(Protocol):
    """What the transport needs to know of an expected answer: a name and a JSON schema."""

    @property
    def name(self) -> str:
        """Name of the schema, letters and underscores."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema, strict-mode compatible."""


class ParsedForm(Form, Protocol[T_co]):
    """A form that also reads replies."""

    def parse(self, content: str) -> T_co:
        """Read one reply; raises `AnswerInvalid`."""


@dataclass(frozen=True, kw_only=True)
class ChatParameters:
    """What is sent with every call, and how long to wait for an answer (seconds)."""

    model: str
    temperature: float
    max_tokens: int
    timeout_seconds: float


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """An endpoint and the parameters it is asked with."""

    endpoint: Endpoint
    parameters: ChatParameters

    def epoch(self, rubric: Rubric, *, prompt_hash: str, form: Form, task: Task = "pointwise") -> JudgeEpoch:
        """The epoch of questions by a rubric in a form."""
        return JudgeEpoch(
            kind="openai",
            task=task,
            provider=self.endpoint.provider,
            base_url=self.endpoint.base_url,
            model=self.parameters.model,
            rubric=f"{rubric.name}@{rubric.version}",
            rubric_hash=rubric.hash,
            prompt_hash=prompt_hash,
            schema_hash=stable_hash(form.schema),
            parameters={
                "temperature": self.parameters.temperature,
                "max_tokens": self.parameters.max_tokens,
            },
        )


@dataclass(frozen=True, kw_only=True)
class Question(Generic[T]):
    """One question. `key` names it (a content hash); questions with the same key are the same question."""

    key: str
    messages: ChatMessages
    form: ParsedForm[T]

    @property
    def size_bytes(self) -> int:
        """UTF-8 bytes of its messages and schema, which is what the endpoint reads."""
        texts = sum(len(m["content"].encode(errors="replace")) for m in self.messages)
        return texts + len(str(self.form.schema))


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[T]):
    """What became of a question: an answer, or the reason why there is none.

    `spent` is what it cost, answers that could not be used included. `replies` are the texts that came back,
    in order: they may quote users and are for people, never for logs. `detail` explains `reason` without
    user text.
    """

    key: str
    answer: T | None = None
    reason: UnjudgedReason | None = None
    detail: str = ""
    spent: Spend = field(default_factory=Spend)
    replies: tuple[str, ...] = ()


OnOutcome = Callable[[Outcome[T]], None]


class Asker(Protocol):
    """Puts questions to an endpoint: live or in batches."""

    @property
    def instrument(self) -> Instrument:
        """Who is asked."""

    @property
    def at_once(self) -> int | None:
        """Most questions to put in one call of `ask`; None: as few as suits who stores the answers."""

    def ask(
        self, questions: Sequence[Question[T]], *, on_outcome: OnOutcome[T] | None = None
    ) -> list[Outcome[T]]:
        """One outcome per question in the same order; `on_outcome` gets each as soon as it is there.

        Keys are distinct. Nothing is left out: questions the budget does not allow, or that the endpoint
        failed, come back with the reason. Raises `JudgeRefused` when the endpoint rejects key or model
        before anything was answered. Blocking; not inside a running event loop.
        """
