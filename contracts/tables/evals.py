"""Registered eval sets, their items, and what people released from quarantine."""

from __future__ import annotations

import polars as pl

from contracts.tables.base import Strings, Table, Time, column, optional

FIELD_ROLES = ["question", "answer"]


class EvalSets(Table):
    """Versions of eval sets; the newest row of a name that is not a removal is in force."""

    eval_set: str = column("name of the set")
    version: pl.Int64 = column("version of the set, from 1; a removal repeats the version it ends", ge=1)
    status: str = column("active, or removed", isin=["active", "removed"])
    content_sha256: str = column("SHA-256 of names and texts of the fields of all items, in their order")
    fields: Strings = column("fields that are compared, in their order")
    rows: pl.Int64 = column("rows of the file", ge=0)
    items: pl.Int64 = column("rows with text in a compared field", ge=0)
    empty_rows: pl.Int64 = column("rows whose compared fields are all empty; they protect nothing", ge=0)
    short_items: pl.Int64 = column("items that are too short for any layer but the exact one", ge=0)
    file_name: str = column("name of the file it came from, without its folder")
    registered_at: Time = column("clock time of the registration or removal")


class EvalItems(Table):
    """Texts of eval items; a list field gives one row per element."""

    eval_set: str = column("name of the set")
    version: pl.Int64 = column("version of the set", ge=1)
    row: pl.Int64 = column("row in the file, from 0", ge=0)
    item_id: str = column("the item's own id, else its row number")
    field: str = column("field of the text; element n of a list is field[n]")
    role: str = column("question, or answer: answers too short to be telling never count", isin=FIELD_ROLES)
    text: str = column("text as given")
    tokens: pl.Int64 = column("words of the text as the gate counts them", ge=0)


class Releases(Table):
    """Refused rows that a person let pass: from the next build on they are not refused for that reason."""

    quarantine_id: str = column("what was released, see quarantine.quarantine_id")
    reason: str = column("why, in the words of who released it")
    released_at: Time = column("clock time of the release")
    drop_id: str = optional("drop in whose quarantine it was found")
