"""Building `RequestLogged` events from a task, a reply and the conversation so far."""

from __future__ import annotations

from copy import copy
from typing import Any, Final

from contracts.events import (
    Actor,
    Deployment,
    Experiment,
    Message,
    RequestLogged,
    Route,
    Usage,
)
from contracts.messages import text_message
from streams.simulator.behavior import Version
from streams.simulator.config import SimulationConfig
from streams.simulator.dice import Dice
from streams.simulator.population import User
from streams.simulator.replies import Reply
from streams.simulator.tasks import Task
from streams.simulator.wire import rfc3339

_CHARS_PER_TOKEN: Final = 4
_DEPLOYMENTS: Final = (
    Deployment(target="cloud", region="eu-central"),
    Deployment(target="cloud", region="us-east"),
    Deployment(target="self_hosted", engine="vllm", quantization="fp8", region="eu-central"),
)
_ROUTE_CANDIDATES: Final = ["aurora-large", "aurora-mini"]
_TOOLS: Final[dict[str, list[dict[str, Any]]]] = {
    name: [
        {
            "type": "function",
            "name": name,
            "parameters": {"type": "object", "properties": {argument: {"type": "string"}}},
        }
    ]
    for name, argument in (("lookup_order", "order"), ("run_tests", "path"), ("describe_table", "table"))
}


class Turn:
    """One request as it was served: the texts and the form in which it is logged."""

    __slots__ = ("earlier", "metadata_only", "request_id", "sugar", "tool_messages")

    def __init__(self, d: Dice, config: SimulationConfig, task: Task, earlier: list[Message]) -> None:
        self.earlier = earlier
        """Messages before this prompt: none, or system message and earlier turns."""
        self.request_id = f"req-{d.bits(64):016x}"
        self.metadata_only = d.chance(config.metadata_only_rate)
        self.sugar = not earlier and d.chance(config.sugar_rate)
        self.tool_messages: list[Message] = []
        if task.feature.tool and not self.sugar and d.chance(config.tool_rate):
            self.tool_messages = _tool_exchange(d, task)

    def again(self, d: Dice) -> Turn:
        """The same input once more, under another request id."""
        turn = copy(self)
        turn.request_id = f"req-{d.bits(64):016x}"
        return turn


def _tool_exchange(d: Dice, task: Task) -> list[Message]:
    name = task.feature.tool or ""
    call_id = f"call_{d.bits(48):012x}"
    argument = next(iter(_TOOLS[name][0]["parameters"]["properties"]))
    value = task.facts.get(argument, "")
    answer = {"found": True, argument: value, "rows": d.between(1, 400)}
    return [
        Message(
            role="assistant",
            parts=[{"type": "tool_call", "id": call_id, "name": name, "arguments": {argument: value}}],
        ),
        Message(role="tool", parts=[{"type": "tool_call_response", "id": call_id, "response": answer}]),
    ]


def conversation(earlier: list[Message], system: str, prompt: str) -> list[Message]:
    """System message, earlier turns and the new prompt; `earlier` is left as it is."""
    before = earlier or [text_message("system", system)]
    return [*before, text_message("user", prompt)]


def build_request(
    d: Dice,
    turn: Turn,
    task: Task,
    reply: Reply,
    version: Version,
    *,
    session_id: str | None,
    user: User | None,
    actor: Actor,
    time_us: int,
    latency_ms: int,
) -> RequestLogged:
    """The event of one call made at `time_us` (UTC microseconds)."""
    messages = conversation(turn.earlier, version.system, task.prompt) + turn.tool_messages
    text = reply.text
    chars = sum(len(m.parts[0].get("content", "")) for m in messages if m.parts)
    tokens_out = len(text or "") // _CHARS_PER_TOKEN
    tokens_in = chars // _CHARS_PER_TOKEN
    event = RequestLogged(
        event_id=f"e-{d.bits(64):016x}",
        request_id=turn.request_id,
        session_id=session_id,
        user_id=user.user_id if user else None,
        occurred_at=rfc3339(time_us, east=d.chance(0.05)),
        feature=task.feature.name,
        actor=actor,
        provider="aurora",
        model=version.behavior.model_version,
        parameters={"temperature": 0.3, "max_tokens": 1024},
        usage=Usage(input_tokens=tokens_in, output_tokens=tokens_out),
        latency_ms=latency_ms,
        cost_usd=round(tokens_in * 4e-7 + tokens_out * 1.6e-6, 8),
        finish_reason=reply.finish_reason,
        error_type=reply.error_type,
        behavior=version.behavior,
        consent=user.consent_at(time_us) if user else None,
        deployment=_DEPLOYMENTS[0] if d.chance(0.7) else d.pick(_DEPLOYMENTS),
    )
    if turn.tool_messages:
        event.tools = _TOOLS[task.feature.tool or ""]
    if d.chance(0.1):
        event.route = Route(
            router_version="r4",
            route="aurora-large",
            candidates=_ROUTE_CANDIDATES,
            predicted_difficulty=round(d.random(), 3),
        )
    if d.chance(0.1):
        event.experiment = Experiment(name="composer-layout", variant=d.pick(("control", "compact")))
    if d.chance(0.05):
        event.attributes = {
            "app_version": f"4.{d.between(0, 9)}",
            "locale": d.pick(("en-GB", "en-US", "de-DE")),
        }
    if turn.metadata_only:
        return event
    if turn.sugar:
        event.prompt, event.response = task.prompt, text
        return event
    event.input_messages = messages
    if text is not None:
        event.output_messages = [text_message("assistant", text)]
        event.output_messages[0].finish_reason = reply.finish_reason
    return event
