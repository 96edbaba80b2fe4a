"""Open-Assistant message trees as events: human rankings of sibling replies become regenerations.

Every prompter message with at least two ranked, non-deleted replies is a dialogue of its own. The
replies come worst first, each but the last followed by a `regenerate`; the best (lowest rank) comes
last and is followed by an `accept`. The prompt is the whole path from the root.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from contracts.events import Message
from contracts.messages import text_message
from streams.adapters.session import AdapterOptions, Clock, Session, rows
from streams.recordings import RawEvent, RecordingInvalid

FEATURE: Final = "oasst"
_ROLES: Final = {"prompter": "user", "assistant": "assistant"}

Node = dict[str, Any]


def events(path: Path, options: AdapterOptions) -> Iterator[RawEvent]:
    """The events of a file of trees. Raises `RecordingInvalid` for a row of another shape."""
    clock = Clock(options)
    feature = options.feature or FEATURE
    told = 0
    for number, tree in rows(path):
        try:
            for prompt, node, replies in _choices(tree["prompt"]):
                if options.limit is not None and told >= options.limit:
                    return
                told += 1
                session = Session(f"oasst-{node['message_id']}", clock.start(), feature, options)
                _tell(session, prompt, replies)
                yield from clock.finish(session)
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordingInvalid(
                f"{path}:{number}: not an Open-Assistant tree ({type(error).__name__}: {error})",
                hint="Is this the right adapter?",
            ) from None


def _tell(session: Session, prompt: list[Message], replies: list[Node]) -> None:
    for reply in replies:
        request_id = session.request(
            prompt,
            [_message(reply)],
            name=reply["message_id"],
            model=reply.get("model_name"),
            attributes={"oasst.rank": str(reply["rank"])},
        )
        session.signal(request_id, "accept" if reply is replies[-1] else "regenerate")


def _choices(root: Node) -> Iterator[tuple[list[Message], Node, list[Node]]]:
    """Depth first: (messages up to a prompter, that prompter, its ranked replies from worst to best).

    An explicit stack, because nothing bounds the depth of a tree.
    """
    stack: list[tuple[list[Message], Node]] = [([], root)]
    while stack:
        before, node = stack.pop()
        path = [*before, _message(node)]
        children: list[Node] = node.get("replies") or []
        if node["role"] == "prompter" and not node.get("deleted"):
            ranked = [c for c in children if c.get("rank") is not None and not c.get("deleted")]
            # Equal ranks keep the order of the file.
            ranked.sort(key=lambda child: -int(child["rank"]))
            if len(ranked) >= 2:
                yield path, node, ranked
        stack.extend((path, child) for child in reversed(children))


def _message(node: Node) -> Message:
    if not isinstance(node["text"], str):
        raise TypeError("text is no string")
    return text_message(_ROLES[node["role"]], node["text"])
