"""The join of one session in plain Python, for frameworks that have no join of this shape.

State is a plain dict that any of them can store: requests as [time, id], evidence as
[time, kind, event id, request id or None]; times in milliseconds. Standard library only.
"""

from __future__ import annotations

from bisect import insort
from typing import Any

from benchmarks.peers.task import COLUMNS

State = dict[str, list[list[Any]]]
Row = dict[str, Any]


def new_state() -> State:
    """A session nothing is known of."""
    return {"requests": [], "evidence": []}


def fold(state: State, kind: str, event: dict[str, Any], horizon_ms: int) -> list[Row]:
    """Take an event in (changes `state`); returns the joined rows that are new or different now."""
    at = event["occurred_at"]
    if kind == "requests":
        mine = [at, event["request_id"]]
        insort(state["requests"], mine)
        place = state["requests"].index(mine)
        # Evidence read before this request may have been given to the one before it.
        return [
            row(state, request, horizon_ms) for request in state["requests"][max(place - 1, 0) : place + 1]
        ]
    item = [at, kind, event["event_id"], event.get("request_id")]
    state["evidence"].append(item)
    target = _target(state, item)
    if target is None or not 0 <= at - target[0] <= horizon_ms:
        return []
    return [row(state, target, horizon_ms)]


def row(state: State, request: list[Any], horizon_ms: int) -> Row:
    """The joined row of a request of this session."""
    result: Row = {"request_id": request[1], **{column: [] for column in COLUMNS.values()}}
    for item in state["evidence"]:
        if 0 <= item[0] - request[0] <= horizon_ms and _target(state, item) == request:
            result[COLUMNS[item[1]]].append(item[2])
    return result


def _target(state: State, item: list[Any]) -> list[Any] | None:
    """The request a piece of evidence belongs to: the one it names, else the latest at or before it."""
    at, _, _, named = item
    for request in reversed(state["requests"]):
        if (request[1] == named) if named is not None else (request[0] <= at):
            return request
    return None
