"""The join as a slow, obvious program: one request at a time, plain Python."""

from __future__ import annotations

import re
from typing import Any

Row = dict[str, Any]


def first_copies(rows: list[Row], key: str) -> list[Row]:
    kept: dict[str, Row] = {}
    for row in sorted(rows, key=lambda r: (r["partition"], r["offset"])):
        kept.setdefault(row[key], row)
    return list(kept.values())


def distance(before: str, after: str) -> int:
    row = list(range(len(after) + 1))
    for i, a in enumerate(before, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(after, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def common(left: str, right: str) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(right) + 1)
    for a in left:
        diagonal = 0
        for j, b in enumerate(right, 1):
            diagonal, row[j] = row[j], diagonal + 1 if a == b else max(row[j], row[j - 1])
    return row[-1]


def latest_request(event: Row, requests: list[Row]) -> str | None:
    before = [
        r
        for r in requests
        if event["session_id"] is not None
        and r["session_id"] == event["session_id"]
        and r["us"] <= event["us"]
    ]
    return max(before, key=lambda r: (r["us"], r["request_id"]))["request_id"] if before else None


def own_target(event: Row, requests: list[Row]) -> str | None:
    """What the event says by itself."""
    if event["request_id"] is not None:
        known = any(r["request_id"] == event["request_id"] for r in requests)
        return event["request_id"] if known else None
    return latest_request(event, requests)


def chain(event: Row, events: list[Row]) -> list[Row]:
    """The event and what it amends, link by link; the event alone when that goes round in a circle."""
    by_id = {e["event_id"]: e for e in events}
    links = [event]
    while (amended := by_id.get(links[-1].get("supersedes") or "")) is not None:
        if amended is links[-1]:
            break
        if amended in links:
            return [event]
        links.append(amended)
    return links


def target_of(event: Row, requests: list[Row], events: list[Row]) -> str | None:
    """With everything known: where the first link of the chain that belongs anywhere belongs."""
    return next(
        (t for link in reversed(chain(event, events)) if (t := own_target(link, requests)) is not None), None
    )


def evidence_ever(request: Row, requests: list[Row], events: list[Row]) -> list[Row]:
    """Evidence of a request whenever it came."""
    found = [e for e in events if target_of(e, requests, events) == request["request_id"]]
    return sorted(found, key=lambda e: (e["us"], e["event_id"]))


def evidence_for(request: Row, requests: list[Row], events: list[Row], horizon: int) -> list[Row]:
    """Evidence of a request in its window and partition."""
    seen = [
        e
        for e in events
        if request["us"] <= e["us"] <= request["us"] + horizon
        and e["partition"] == request["partition"]
        and (e["session_id"] == request["session_id"] or e["request_id"] == request["request_id"])
    ]
    there = [r for r in requests if r["partition"] == request["partition"]]

    def counts(event: Row) -> bool:
        first = chain(event, seen)[-1]
        if first.get("supersedes") is not None and first["request_id"] is None:
            return False
        return own_target(first, there) == request["request_id"]

    return sorted(filter(counts, seen), key=lambda e: (e["us"], e["event_id"]))


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def finish_class(request: Row) -> str:
    if request["error_type"] is not None or request["finish_reason"] == "error":
        return "error"
    by_reason = {"content_filter": "filtered", "length": "truncated"}
    if request["finish_reason"] in by_reason:
        return by_reason[request["finish_reason"]]
    if "can't help" in (request["response_text"] or ""):
        return "refusal"
    return "empty" if request["ending"] == "empty" else "ok"


def alike(left: Row, right: Row) -> float | None:
    """Similarity of two prompts; None without one of them."""
    prompts = left["prompt_text"], right["prompt_text"]
    if None in prompts:
        return None
    return 2 * common(*prompts) / sum(map(len, prompts))


def edit_class(before: str, after: str) -> str:
    """The class of the edits that occur in random traffic, from the rules in `joiners.edits`; names, numbers
    and fillers are not looked at."""
    words = [re.findall(r"\w+", side.lower().replace("'", "")) for side in (before, after)]
    if words[0] == words[1]:
        return "cosmetic"
    if ("can't help" in before) != ("can't help" in after):
        return "opposite"
    sets = list(map(set, words))
    fewer, most = sorted(map(len, sets))
    shared = len(sets[0] & sets[1])
    replaced = distance(before, after) - abs(len(before) - len(after))
    fresh = shared < 0.3 * fewer or replaced > 0.8 * min(len(before), len(after))
    if not fewer or len(sets[1]) > 8 * len(sets[0]) or (fresh and most > 5):
        return "rewrite"
    others = (sets[0] ^ sets[1]) - {"not", "do"}
    negated = ("not" in words[0]) != ("not" in words[1])
    if negated and len(others) <= min(4, 0.2 * len(sets[0] | sets[1])):
        return "opposite"
    return "corrective"


def one(
    request: Row, requests: list[Row], signals: list[Row], outcomes: list[Row], horizon: int, ever: bool
) -> Row:
    if ever:
        mine = evidence_ever(request, requests, signals)
        results = evidence_ever(request, requests, outcomes)
    else:
        mine = evidence_for(request, requests, signals, horizon)
        results = evidence_for(request, requests, outcomes, horizon)
        requests = [r for r in requests if r["partition"] == request["partition"]]
    later = sorted(
        (
            r
            for r in requests
            if r["session_id"] == request["session_id"]
            and (r["us"], r["request_id"]) > (request["us"], request["request_id"])
        ),
        key=lambda r: (r["us"], r["request_id"]),
    )
    within = [r for r in later if r["us"] <= request["us"] + horizon]
    following = within[0] if within else None

    def values(kind: str) -> list[float]:
        return [s["value"] for s in mine if s["kind"] == kind and s["value"] is not None]

    def count(kind: str) -> int:
        return sum(s["kind"] == kind for s in mine)

    edits = [s["text"] for s in mine if s["kind"] == "edit" and s["text"] is not None]
    response = request["response_text"]
    edit_ratio = None
    if edits and response is not None:
        edit_ratio = distance(response, edits[-1]) / max(len(response), len(edits[-1]))
    similarity = alike(request, following) if following else None
    chain_length = 0
    for earlier, again in zip([request, *within], within, strict=False):
        if (alike(earlier, again) or 0) < 0.8:
            break
        chain_length += 1
    same_again = similarity is not None and similarity >= 0.98 and count("regenerate") == 0
    replaced = {o["supersedes"] for o in results}
    known = [
        float(o["success"]) for o in results if o["success"] is not None and o["event_id"] not in replaced
    ]
    thumbs, rating = mean(values("thumbs")), mean(values("rating"))
    positive = bool(
        count("copy") or count("accept") or (thumbs or 0) > 0 or (rating is not None and rating >= 4)
    )
    left = count("abandon") > 0
    observable = following is None or left
    row = {
        "request_id": request["request_id"],
        "session_id": request["session_id"],
        "partition": request["partition"],
        "offset": request["offset"],
        "finish_class": finish_class(request),
        "has_thumbs": thumbs is not None,
        "thumbs": thumbs,
        "has_rating": rating is not None,
        "rating": rating,
        "has_edit": count("edit") > 0,
        "edit_ratio": edit_ratio,
        "edit_class": edit_class(response, edits[-1]) if edit_ratio is not None else None,
        "has_output": request["ending"] is not None,
        "unfinished": None if request["ending"] is None else request["ending"] == "open",
        "follow_up_count": len(within),
        "rephrase_chain": None if similarity is None else chain_length,
        "has_rephrase": similarity is not None,
        "rephrase_similarity": similarity,
        "has_dwell": bool(values("dwell")),
        "dwell_ms": sum(values("dwell")) if values("dwell") else None,
        "retry_count": count("retry") + same_again,
        "has_retry": count("retry") + same_again > 0,
        "has_abandon": observable,
        "abandoned": (left or not positive) if observable else None,
        "has_outcome": bool(known),
        "outcome_success": mean(known),
        "outcome_count": len(known),
        "next_request_id": following["request_id"] if following else None,
        "signal_ids": [s["event_id"] for s in mine],
        "outcome_ids": [o["event_id"] for o in results],
        "until": max(e["us"] for e in [request, *mine, *results, *within]),
    }
    for kind in ("regenerate", "undo", "copy", "accept", "escalate", "report"):
        row |= {f"{kind}_count": count(kind), f"has_{kind}": count(kind) > 0}
    return row


def join(
    requests: list[Row], signals: list[Row], outcomes: list[Row], *, horizon: int, ever: bool = False
) -> dict[str, Row]:
    """Request id → everything the join should say of it, from its window or from all there `ever` was."""
    requests = first_copies(requests, "request_id")
    signals, outcomes = first_copies(signals, "event_id"), first_copies(outcomes, "event_id")
    return {r["request_id"]: one(r, requests, signals, outcomes, horizon, ever) for r in requests}
