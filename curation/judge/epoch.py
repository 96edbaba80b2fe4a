"""The judge epoch: everything that decides a verdict, under one short id."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

_ID_HEX: Final = 16

Task = Literal["pointwise", "pairwise"]
"""What is judged: one response, or which of two is better."""


def stable_hash(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of a value's canonical JSON (keys sorted, compact)."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:_ID_HEX]


@dataclass(frozen=True, kw_only=True)
class JudgeEpoch:
    """What made a verdict; two verdicts compare only when their epochs have the same id.

    ``parameters`` are those that decide verdicts (temperature, thresholds), not how calls are made
    (timeouts, concurrency, retries). ``base_url`` never carries credentials. A `panel` is decided by its
    members' epochs, a `bench` by those of the judges it has for single features; both name them in
    ``parameters``.
    """

    kind: Literal["rules", "openai", "panel", "bench"]
    model: str
    task: Task = "pointwise"
    provider: str = "tailrace"
    base_url: str = ""
    rubric: str = ""
    rubric_hash: str = ""
    prompt_hash: str = ""
    schema_hash: str = ""
    parameters: Mapping[str, float | int | str | None] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Stable short hash (16 hex) of all fields."""
        return stable_hash(self._fields())

    @property
    def name(self) -> str:
        """The judge as named to people: ``rules``, ``openai:<model>``, ``panel:<model>+<model>``."""
        return "rules" if self.kind == "rules" else f"{self.kind}:{self.model}"

    def manifest(self) -> dict[str, Any]:
        """What a drop's manifest says about the judge: name, id and every field (JSON types)."""
        return {"judge": self.name, "epoch": self.id, "task": self.task, **self._fields()}

    def _fields(self) -> dict[str, Any]:
        # The task needs no place here: prompt and schema differ with it.
        return {
            "kind": self.kind,
            "provider": self.provider,
            "base_url": self.base_url,
            "model": self.model,
            "rubric": self.rubric,
            "rubric_hash": self.rubric_hash,
            "prompt_hash": self.prompt_hash,
            "schema_hash": self.schema_hash,
            "parameters": dict(self.parameters),
        }
