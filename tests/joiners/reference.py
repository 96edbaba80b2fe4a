"""The join as a slow, obvious program: one request at a time, plain Python."""

from __future__ import annotations

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


def target_of(event: Row, requests: list[Row]) -> str | None:
    if event["request_id"] is not None:
        known = any(r["request_id"] == event["request_id"] for r in requests)
        return event["request_id"] if known else None
    before = [
        r
        for r in requests
        if event["session_id"] is not None
        and r["session_id"] == event["session_id"]
        and r["us"] <= event["us"]
    ]
    return max(before, key=lambda r: (r["us"], r["request_id"]))["request_id"] if before else None


def evidence_for(request: Row, requests: list[Row], events: list[Row], horizon: int) -> list[Row]:
    found = [
        e
        for e in events
        if target_of(e, requests) == request["request_id"]
        and request["us"] <= e["us"] <= request["us"] + horizon
    ]
    return sorted(found, key=lambda e: (e["us"], e["event_id"]))


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def finish_class(request: Row) -> str:
    if request["error_type"] is not None or request["finish_reason"] == "error":
        return "error"
    by_reason = {"content_filter": "filtered", "length": "truncated"}
    if request["finish_reason"] in by_reason:
        return by_reason[request["finish_reason"]]
    return "refusal" if "can't help" in (request["response_text"] or "") else "ok"


def one(request: Row, requests: list[Row], signals: list[Row], outcomes: list[Row], horizon: int) -> Row:
    mine = evidence_for(request, requests, signals, horizon)
    results = evidence_for(request, requests, outcomes, horizon)
    later = sorted(
        (
            r
            for r in requests
            if r["session_id"] == request["session_id"]
            and (r["us"], r["request_id"]) > (request["us"], request["request_id"])
        ),
        key=lambda r: (r["us"], r["request_id"]),
    )
    following = later[0] if later and later[0]["us"] <= request["us"] + horizon else None

    def values(kind: str) -> list[float]:
        return [s["value"] for s in mine if s["kind"] == kind and s["value"] is not None]

    def count(kind: str) -> int:
        return sum(s["kind"] == kind for s in mine)

    edits = [s["text"] for s in mine if s["kind"] == "edit" and s["text"] is not None]
    response = request["response_text"]
    edit_ratio = None
    if edits and response is not None:
        edit_ratio = distance(response, edits[-1]) / max(len(response), len(edits[-1]))
    similarity = None
    if following and request["prompt_text"] is not None and following["prompt_text"] is not None:
        prompts = request["prompt_text"], following["prompt_text"]
        similarity = 2 * common(*prompts) / sum(map(len, prompts))
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
        "signal_ids": [s["event_id"] for s in mine],
        "outcome_ids": [o["event_id"] for o in results],
        "until": max(e["us"] for e in [request, *mine, *results]),
    }
    for kind in ("regenerate", "undo", "copy", "accept", "escalate", "report"):
        row |= {f"{kind}_count": count(kind), f"has_{kind}": count(kind) > 0}
    return row


def join(requests: list[Row], signals: list[Row], outcomes: list[Row], *, horizon: int) -> dict[str, Row]:
    """Request id → everything the join should say about it."""
    requests = first_copies(requests, "request_id")
    signals, outcomes = first_copies(signals, "event_id"), first_copies(outcomes, "event_id")
    return {r["request_id"]: one(r, requests, signals, outcomes, horizon) for r in requests}
