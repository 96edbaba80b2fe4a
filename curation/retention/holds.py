"""Legal holds: rows that may not be deleted for now, neither by retention nor by an erasure."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Literal

import polars as pl

from contracts.errors import SettingsError, TerminalError
from contracts.tables import TABLES, frame_schema
from curation.erasure.identify import identify
from sinks.erasure.person import EXAMPLE_SEPARATOR, Person
from sinks.lake import Lake
from sinks.transactions import append_once

Held = Literal["user", "drop", "table"]


def place_hold(lake: Lake, held: Held, target: str, reason: str, *, now: datetime) -> str:
    """Hold a user (by pseudonym), a drop or a table; returns the hold's id.

    Raises `SettingsError` without a reason or for a table that does not exist, `TerminalError` for such a
    drop.
    """
    if not reason.strip():
        raise SettingsError("a hold needs a reason", hint="Say with --reason why nothing may be deleted.")
    if held == "table" and target not in TABLES:
        raise SettingsError(f"there is no table {target}", hint=f"Tables: {', '.join(TABLES)}.")
    if held == "drop" and target not in lake.scan("drops").select("drop_id").collect()["drop_id"]:
        raise TerminalError(f"there is no drop {target}", hint="`tailrace drops list` shows them.")
    hold_id = f"hold-{uuid.uuid4().hex[:12]}"
    _append(lake, hold_id, held, target, reason, now=now, released=False)
    return hold_id


def release_hold(lake: Lake, hold_id: str, reason: str, *, now: datetime) -> None:
    """End a hold. Raises `TerminalError` when it is not in force, `SettingsError` without a reason."""
    if not reason.strip():
        raise SettingsError("a release needs a reason", hint="Say with --reason why the hold ends.")
    rows = holds(lake).filter(hold_id=hold_id)
    if rows.is_empty():
        raise TerminalError(
            f"no hold {hold_id} is in force", hint="`tailrace retention holds` lists those that are."
        )
    row = rows.row(0, named=True)
    _append(lake, hold_id, row["held"], _target(row), reason, now=now, released=True)


def holds(lake: Lake) -> pl.DataFrame:
    """The holds in force, oldest first; none in a lake of an older release."""
    if not lake.exists("legal_holds"):
        return pl.DataFrame(schema=frame_schema("legal_holds"))
    rows = lake.scan("legal_holds").collect()
    ended = rows.filter("released")["hold_id"]
    return rows.filter(~pl.col("released"), ~pl.col("hold_id").is_in(ended.implode())).sort("recorded_at")


def holding(lake: Lake, person: Person, drops: Collection[str]) -> list[str]:
    """Ids of holds that forbid to erase a person who has rows in these drops."""
    rows = holds(lake)
    mine = (
        (pl.col("user_key") == person.user_key).fill_null(value=False)
        | pl.col("drop_id").is_in(list(drops)).fill_null(value=False)
        | pl.col("table_name").is_not_null()
    )
    return [
        row["hold_id"]
        for row in rows.filter(mine).iter_rows(named=True)
        if row["held"] != "table" or _has_rows(lake, row["table_name"], person)
    ]


def _has_rows(lake: Lake, name: str, person: Person) -> bool:
    return lake.exists(name) and bool(person.owns(name, lake.scan(name).collect()).any())


def held_back(lake: Lake, pseudonym: Callable[[str], str]) -> tuple[frozenset[str], list[Person]]:
    """Tables held whole, and whose rows are held in the others: people, and what drops were made of."""
    tables, owners = set(), []
    for row in holds(lake).iter_rows(named=True):
        if row["held"] == "table":
            tables.add(row["table_name"])
        elif row["held"] == "user":
            owners.append(identify(lake, Person(row["user_key"], pseudonym, lake.pseudonyms.raised)))
        else:
            owners.append(_behind(lake, row["drop_id"], pseudonym))
    return frozenset(tables), owners


def _behind(lake: Lake, drop_id: str, pseudonym: Callable[[str], str]) -> Person:
    """The rows of a drop and the requests and events behind them, as if they were one person's."""
    rows = lake.scan("examples").filter(drop_id=drop_id).collect()
    return Person(
        "",
        pseudonym,
        ids={
            "request": frozenset(rows["request_ids"].explode().drop_nulls()),
            "event": frozenset(rows["evidence_ids"].explode().drop_nulls()),
            "example": frozenset(f"{drop_id}{EXAMPLE_SEPARATOR}{e}" for e in rows["example_id"]),
        },
    )


def _target(row: dict[str, Any]) -> str:
    return str(row["user_key"] or row["drop_id"] or row["table_name"])


def _append(
    lake: Lake, hold_id: str, held: str, target: str, reason: str, *, now: datetime, released: bool
) -> None:
    row = {
        "hold_id": hold_id,
        "released": released,
        "held": held,
        "user_key": target if held == "user" else None,
        "drop_id": target if held == "drop" else None,
        "table_name": target if held == "table" else None,
        "reason": reason.strip(),
        "recorded_at": now,
    }
    frame = pl.DataFrame([row], schema=frame_schema("legal_holds"))
    append_once(lake, "legal_holds", frame, batch_id=f"{hold_id}/{released}")
