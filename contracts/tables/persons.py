"""How a person is found in every table of the lake: the register that erasure, tombstones and audits go by.

Every table has an entry, and a test sees to it. Rows are found by ids, never by guessing: the user's
pseudonym where a table has it, else the ids of the person's requests, sessions, events and examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

IdKind = Literal["user", "request", "session", "event", "example", "quarantine", "content", "anchor"]
"""What an id names. `user` is the pseudonym. `example` is the pair of drop and example id: the same content
in another drop may be another person's. `content` is the hash of judged content (`judgments`), `anchor` that
of an item kept to see a judge drift."""

ID_KINDS: Final[tuple[IdKind, ...]] = get_args(IdKind)


@dataclass(frozen=True, slots=True)
class Personal:
    """How rows of a person are found in a table.

    rows: column → kinds of ids; a row with any id of the person in it, alone or in a list, is the
    person's and goes. mentions: column → kind; the person's ids are taken out of such a column and the
    row, which is somebody else's, stays. texts: columns that hold people's words, which other rows may
    quote. payload: columns with original bytes, which are parsed. `nothing`: why no row is about a
    person.
    """

    rows: Mapping[str, tuple[IdKind, ...]] = field(default_factory=dict)
    mentions: Mapping[str, IdKind] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    payload: tuple[str, ...] = ()
    nothing: str = ""


PERSONAL: Final[dict[str, Personal]] = {
    "requests": Personal(
        rows={"user_key": ("user",), "request_id": ("request",), "session_id": ("session",)},
        texts=("input_messages", "output_messages"),
    ),
    "signals": Personal(
        rows={
            "user_key": ("user",),
            "request_id": ("request",),
            "session_id": ("session",),
            "event_id": ("event",),
        },
        texts=("text",),
    ),
    "outcomes": Personal(
        rows={"request_id": ("request",), "session_id": ("session",), "event_id": ("event",)},
    ),
    "consents": Personal(rows={"user_key": ("user",)}),
    "dead_letters": Personal(payload=("key", "value")),
    "interactions": Personal(
        rows={"user_key": ("user",), "request_id": ("request",), "session_id": ("session",)},
        mentions={"next_request_id": "request", "signal_ids": "event", "outcome_ids": "event"},
    ),
    "judgments": Personal(rows={"request_id": ("request",)}, texts=("rationale", "improved_response")),
    "annotations": Personal(rows={"request_id": ("request",)}, texts=("corrected_response", "note")),
    "gold_labels": Personal(rows={"request_id": ("request",)}),
    "examples": Personal(
        rows={
            "user_key": ("user",),
            "session_id": ("session",),
            "request_ids": ("request",),
            "evidence_ids": ("event",),
        },
        mentions={"cluster_request_ids": "request"},
    ),
    "example_sketches": Personal(
        rows={"user_key": ("user",), "request_ids": ("request",), "example_id": ("example",)}
    ),
    "preferences": Personal(
        rows={
            "rejected_request_id": ("request",),
            "chosen_request_id": ("request",),
            "example_id": ("example",),
        },
    ),
    "quarantine": Personal(rows={"request_ids": ("request",)}),
    "releases": Personal(rows={"quarantine_id": ("quarantine",)}),
    "lineage": Personal(rows={"source_id": ("request", "example"), "target_id": ("example",)}),
    "drops": Personal(nothing="counts and versions of a whole drop"),
    "drop_marks": Personal(nothing="what became of a whole drop"),
    "pushes": Personal(nothing="places that hold copies of whole drops"),
    "announcements": Personal(nothing="which drops were announced"),
    "nightly_runs": Personal(nothing="attempts of scheduled builds"),
    "models": Personal(nothing="models and the drops they were trained on"),
    "erasures": Personal(
        nothing="the tombstone itself: it keeps the keyed hash, so that the person stays out"
    ),
    "erased_ids": Personal(nothing="keyed hashes that keep replayed events out; they name nobody"),
    "legal_holds": Personal(rows={"user_key": ("user",)}),
    "judge_epochs": Personal(nothing="judges and their parameters"),
    "calibrations": Personal(nothing="figures over many labels, without texts"),
    "annotation_tasks": Personal(rows={"user_key": ("user",), "request_id": ("request",)}),
    "unjudged": Personal(rows={"request_id": ("request",)}),
    "judge_anchors": Personal(
        rows={"user_key": ("user",), "request_id": ("request",), "anchor_id": ("anchor",)},
        texts=("input_messages", "output_messages"),
    ),
    "judge_anchor_runs": Personal(rows={"anchor_id": ("anchor",)}),
    "eval_sets": Personal(nothing="registered by the team, not taken from traffic"),
    "eval_items": Personal(nothing="registered by the team, not taken from traffic"),
}
"""Table → how a person is found in it."""

ID_COLUMNS: Final = (
    *("user_key", "request_id", "request_ids", "session_id", "session_ids", "evidence_ids"),
    *("rejected_request_id", "chosen_request_id", "next_request_id", "cluster_request_ids"),
    *("signal_ids", "outcome_ids"),
)
"""Names that columns with ids of people's data have, whatever their table: none may be left out above."""


def held_kinds(name: str) -> frozenset[IdKind]:
    """Kinds of ids that tell a row of a table as a person's."""
    return frozenset(kind for kinds in PERSONAL[name].rows.values() for kind in kinds)


def personal_tables() -> list[str]:
    """Tables that can hold rows of a person or mention one."""
    return [name for name, how in PERSONAL.items() if how.rows or how.mentions or how.payload]
