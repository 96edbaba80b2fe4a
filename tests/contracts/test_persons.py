"""The register of how people are found: no table and no id column without an answer."""

from __future__ import annotations

import polars as pl
import pytest

from contracts.tables import TABLES, frame_schema
from contracts.tables.persons import ID_COLUMNS, PERSONAL, held_kinds, personal_tables


def test_every_table_says_how_a_person_is_found_in_it() -> None:
    assert set(PERSONAL) == set(TABLES)


@pytest.mark.parametrize("name", sorted(PERSONAL))
def test_entries_name_columns_that_exist_or_say_why_there_are_none(name: str) -> None:
    how, columns = PERSONAL[name], frame_schema(name)
    named = {*how.rows, *how.mentions, *how.texts, *how.payload}
    assert named <= set(columns)
    assert bool(how.rows or how.mentions or how.payload) != bool(how.nothing)
    assert name in personal_tables() or how.nothing


@pytest.mark.parametrize("name", sorted(PERSONAL))
def test_no_column_with_ids_of_people_is_left_out(name: str) -> None:
    how = PERSONAL[name]
    if how.nothing:
        return
    ids = {column for column in frame_schema(name) if column in ID_COLUMNS}
    assert ids <= {*how.rows, *how.mentions}


def test_a_table_with_a_user_or_requests_is_never_called_impersonal() -> None:
    keeps_a_hash = {"erasures"}
    for name, how in PERSONAL.items():
        if how.nothing and name not in keeps_a_hash:
            assert not set(frame_schema(name)) & set(ID_COLUMNS), name


def test_examples_are_told_by_drop_and_content() -> None:
    for name in PERSONAL:
        if "example" in held_kinds(name):
            assert "drop_id" in frame_schema(name)
            assert frame_schema(name)["drop_id"] == pl.String()
