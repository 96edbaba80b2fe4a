"""A drop with a defect is not published, and the error says where it is; one without passes every check."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from contracts.chat import conversation
from contracts.errors import DropInvalid
from sinks.drops.checks import ChecksFailed, check_files, fit
from sinks.drops.checks.facts import facts, turn_facts
from sinks.drops.formats import Written
from sinks.drops.formats.turns import TURNS
from sinks.drops.staging import stage
from tests.conversations import Conversation, conversations
from tests.sinks.drops.test_reading import Turns
from tests.sinks.test_drop_formats import CALL, FIND, QUESTION, RESULT, drop_rows, row, says, written

SECRET = "a text of a user"
ASKED = [{"role": "user", "content": SECRET}]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    """A drop with every kind of file, plain and with tools, that no rule is broken in."""
    folder = tmp_path_factory.mktemp("good")
    plain = [row(f"p{n}", prompt=ASKED, chosen=says(f"{SECRET} {n}")) for n in range(4)]
    files = written(
        folder,
        *plain,
        row("p4", prompt=[*QUESTION, CALL, RESULT], tools=json.dumps([FIND]), split="validation"),
        row("u0", kind="unpaired", chosen=None, label=False),
        row("u1", kind="unpaired", rejected=None, label=True, prompt=[*QUESTION, *says("?"), *ASKED]),
    )
    return folder, files


def test_a_good_drop_passes_and_its_lengths_are_told(good: tuple[Path, Written]) -> None:
    folder, files = good
    checked = check_files(folder, files.rows)
    assert all(check.success for check in checked.checks)
    kinds = {check.name.rpartition(".")[0] for check in checked.checks}
    assert kinds == {
        "preference",
        "unpaired",
        "sft",
        "prompts",
        "openai/preference",
        "openai/sft",
        "provenance",
    }
    told = checked.tokens["files"]
    assert set(told) == set(files.rows) - {"provenance.parquet"}
    assert told["unpaired/train.parquet"]["counted"] == 2
    prompt = told["unpaired/train.parquet"]["columns"]["prompt"]
    assert 0 < prompt["min"] <= prompt["p50"] <= prompt["p90"] <= prompt["p99"] <= prompt["max"]
    assert prompt["min"] < prompt["mean"] < prompt["max"]
    whole, parts = told["sft/validation.parquet"], told["preference/validation.parquet"]
    both = parts["columns"]["prompt"]["max"] + parts["columns"]["chosen"]["max"]
    assert whole["columns"]["messages"]["max"] == both


def turn_of(column: str, number: int, **fields: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one turn of a row."""

    def change(value: dict[str, Any]) -> None:
        value[column][number].update(fields)

    return change


def put(column: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of a whole column of a row."""

    def change(found: dict[str, Any]) -> None:
        found[column] = value(found) if callable(value) else value

    return change


Defect = tuple[str, Callable[[dict[str, Any]], None], str]

DEFECTS: list[Defect] = [
    ("preference", turn_of("prompt", 0, content=" \n"), "without content"),
    ("preference", turn_of("chosen", 0, content="a\x00b"), "NUL"),
    ("preference", turn_of("chosen", 0, role="user"), "chosen does not start"),
    ("preference", turn_of("rejected", 0, role="tool"), "rejected does not start"),
    ("preference", put("prompt", [*ASKED, *ASKED]), "do not take turns"),
    ("preference", put("prompt", [*ASKED, {"role": "system", "content": "x"}, *ASKED]), "do not take turns"),
    ("preference", put("prompt", [*says("hello"), *ASKED]), "do not take turns"),
    ("preference", put("prompt", [{"role": "wizard", "content": "x"}, *ASKED]), "do not take turns"),
    ("preference", put("prompt", [*ASKED, *says("yes")]), "does not end with"),
    ("preference", put("prompt", []), "does not end with"),
    ("preference", put("chosen", [*says("yes"), *ASKED]), "chosen does not start"),
    ("preference", put("chosen", lambda value: [dict(value["rejected"][0], content="bad ")]), "the same"),
    ("preference", put("prompt", None), "columns"),
    ("preference", turn_of("prompt", 0, content=None), "other than turns"),
    ("unpaired", turn_of("completion", 0, content=""), "without content"),
    ("unpaired", put("label", None), "columns"),
    ("sft", put("messages", ASKED), "do not take turns"),
    ("sft", turn_of("messages", -1, content=""), "without content"),
    ("prompts", put("prompt", [*ASKED, *says("yes")]), "does not end with"),
    ("openai/sft", turn_of("messages", -1, weight=0), "last assistant message alone"),
    ("openai/sft", turn_of("messages", -1, weight=2), "no line of the format"),
    ("openai/sft", turn_of("messages", 0, weight=0), "last assistant message alone"),
    ("openai/sft", put("messages", lambda value: value["messages"][:-1]), "do not take turns"),
    ("openai/sft", put("extra", 1), "no line of the format"),
    ("openai/preference", put("preferred_output", [*says("a"), *says("b")]), "not one assistant message"),
    ("openai/preference", put("non_preferred_output", []), "not one assistant message"),
    ("openai/preference", put("input", {"messages": says("a")}), "does not end with"),
    ("openai/preference", put("non_preferred_output", lambda v: v["preferred_output"]), "the same"),
    ("openai/preference", put("input", lambda v: v["input"] | {"tools": [{"type": "web"}]}), "no line"),
    ("openai/preference", turn_of("preferred_output", 0, content="\x00"), "NUL"),
]


@pytest.mark.parametrize(("kind", "change", "reason"), DEFECTS)
def test_a_planted_defect_is_found_where_it_is(
    good: tuple[Path, Written], tmp_path: Path, kind: str, change: Callable[..., None], reason: str
) -> None:
    folder = tmp_path / "drop"
    shutil.copytree(good[0], folder)
    suffix = "jsonl" if kind.startswith("openai") else "parquet"
    path = folder / kind / f"train.{suffix}"
    if suffix == "jsonl":
        lines = path.read_text().splitlines()
        value = json.loads(lines[1])
        change(value)
        lines[1] = json.dumps(value)
        path.write_text("\n".join(lines) + "\n")
    else:
        table = pq.read_table(path)
        rows = plain_rows(table)
        change(rows[1])
        kinds = {
            f.name: pa.list_(TURNS.value_type) if pa.types.is_list(f.type) else f.type
            for f in table.schema
            if f.name != "tools"
        }
        columns = {name: pa.array([found[name] for found in rows], type=kinds[name]) for name in kinds}
        pq.write_table(pa.table(columns), path)
    with pytest.raises(ChecksFailed) as told:
        check_files(folder, good[1].rows)
    assert reason in str(told.value)
    assert f"{kind}/train.{suffix}: " in str(told.value)
    assert "rows 1" in str(told.value) or "rows 0, 1" in str(told.value)
    assert SECRET not in str(told.value)
    assert [check for check in told.value.checks if not check.success]
    named = {"unpaired": "u1", "prompts": "u0"}.get(kind, "p1")
    assert named in str(told.value)


def plain_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows of a file, turns as values, tools (which no row of these has) left out."""
    rows = pl.DataFrame(pl.from_arrow(table.drop_columns([c for c in table.column_names if c == "tools"])))
    return [
        {
            name: [t if isinstance(t, dict) else json.loads(t) for t in value]
            if isinstance(value, list)
            else value
            for name, value in found.items()
        }
        for found in rows.iter_rows(named=True)
    ]


def test_defects_of_tool_calls_are_found(good: tuple[Path, Written], tmp_path: Path) -> None:
    other = {**CALL, "tool_calls": [{**CALL["tool_calls"][0], "id": "other0001"}]}
    text = {**CALL, "tool_calls": [{**CALL["tool_calls"][0], "function": {"name": "f", "arguments": "{}"}}]}
    for prompt, reason in (
        ([*QUESTION, other, RESULT], "do not fit together"),
        ([*QUESTION, CALL], "do not take turns"),
        ([*QUESTION, CALL, {**RESULT, "content": "a\x00"}], "NUL"),
        ([*QUESTION, text, RESULT], "other than turns"),
        ([*QUESTION, CALL, {"role": "tool"}], "other than turns"),
        ([*QUESTION, CALL, "x"], "other than turns"),
    ):
        folder = tmp_path / "drop"
        shutil.copytree(good[0], folder, dirs_exist_ok=True)
        path = folder / "prompts" / "validation.parquet"
        turns = pa.array([[json.dumps(turn) for turn in prompt]], type=pa.list_(pa.string()))
        pq.write_table(pa.table({"prompt": turns, "tools": pa.array([None], type=pa.string())}), path)
        with pytest.raises(ChecksFailed, match=reason) as told:
            check_files(folder, good[1].rows)
        assert "prompts/validation.parquet: " in str(told.value)
        assert "rows 0 (examples p4)" in str(told.value)


@pytest.mark.parametrize("tools", ["[]", "{}", "nonsense", '[{"type": "web", "function": {"name": "f"}}]'])
def test_tools_that_are_no_functions_are_found(tmp_path: Path, tools: str) -> None:
    with pytest.raises(ChecksFailed, match="no list of functions"):
        stage(tmp_path, "d", drop_rows(row("u", kind="unpaired", chosen=None, label=False, tools=tools)), {})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def blank_line(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def broken_utf8(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"a text", b"a \xff\xfet"))


def a_surrogate(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"a text", b"\\ud800"))


def a_line_end_inside(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"a text", "\u2028".encode()))


def fewer_rows(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(0, 1), path)


def other_columns(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.append_column("extra", pa.array([1] * table.num_rows)), path)


def twice(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table.slice(0, 1), table.slice(0, table.num_rows - 1)]), path)


def no_utf8(path: Path) -> None:
    table = pq.read_table(path)
    texts = pa.array([b"a \xff"] * table.num_rows).view(pa.string())
    if "feature" in table.column_names:
        columns = table.set_column(table.column_names.index("feature"), "feature", texts)
    else:
        turns = pa.StructArray.from_arrays([pa.array(["user"] * table.num_rows), texts], ["role", "content"])
        columns = pa.table({"prompt": pa.ListArray.from_arrays(list(range(table.num_rows + 1)), turns)})
    pq.write_table(columns, path)


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("openai/sft/train.jsonl", cut, "no line of the format"),
        ("openai/sft/train.jsonl", blank_line, "no line of the format"),
        ("openai/sft/train.jsonl", broken_utf8, "no line of the format"),
        ("openai/preference/train.jsonl", a_surrogate, "no line of the format"),
        ("openai/preference/train.jsonl", a_line_end_inside, "not one line"),
        ("preference/train.parquet", cut, "cannot be read"),
        ("preference/train.parquet", fewer_rows, "not 4"),
        ("unpaired/train.parquet", other_columns, "columns"),
        ("prompts/train.parquet", twice, "there twice"),
        ("prompts/train.parquet", no_utf8, "cannot be read"),
        ("provenance.parquet", no_utf8, "cannot be read"),
        ("provenance.parquet", twice, "there twice"),
        ("provenance.parquet", fewer_rows, "names other rows"),
        ("provenance.parquet", other_columns, "columns"),
    ],
)
def test_a_damaged_file_is_found(
    good: tuple[Path, Written], tmp_path: Path, name: str, damage: Callable[[Path], None], reason: str
) -> None:
    folder = tmp_path / "drop"
    shutil.copytree(good[0], folder)
    damage(folder / name)
    with pytest.raises(ChecksFailed, match=reason) as told:
        check_files(folder, good[1].rows)
    assert f"{name}: " in str(told.value)
    assert SECRET not in str(told.value)


def test_an_error_names_the_first_rows_and_counts_the_rest(tmp_path: Path) -> None:
    rows = [row(f"e{n:03d}", prompt=says(SECRET)) for n in range(50)]
    with pytest.raises(DropInvalid, match="and 30 more rows") as told:
        stage(tmp_path, "d", drop_rows(*rows), {"drop_id": "d"})
    assert "preference/train.parquet" in str(told.value)
    assert "e019" in str(told.value)
    assert "e020" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tools", [None, json.dumps([FIND])])
def test_a_turn_that_says_nothing_of_its_role_is_no_turn(tmp_path: Path, tools: str | None) -> None:
    rows = drop_rows(row("a"), row("b", prompt=[*QUESTION, CALL, RESULT] if tools else QUESTION, tools=tools))
    broken = rows.with_columns(chosen=pl.lit('[{"role": 1}]'))
    with pytest.raises(ChecksFailed, match="other than turns"):
        stage(tmp_path, "d", broken, {"drop_id": "d"})
    assert not fit(broken).any()
    assert list(tmp_path.iterdir()) == []


def test_a_staged_drop_says_what_was_checked(tmp_path: Path) -> None:
    staged = stage(tmp_path, "d", drop_rows(row("a"), row("b", chosen=[CALL])), {"drop_id": "d"})
    assert all(check.success for check in staged.checks)
    assert "preference.roles_alternate" in {check.name for check in staged.checks}
    assert staged.manifest["left_out"] == {"openai/preference/train.jsonl": {"tool_calls_in_output": 1}}
    assert staged.manifest["tokens"]["files"]["preference/train.parquet"]["counted"] == 2


@settings(max_examples=150)
@given(Turns)
def test_both_ways_of_looking_at_plain_turns_agree(turns: list[dict[str, str]]) -> None:
    column = pl.Series("prompt", [turns, [*turns, {"role": "tool", "content": " "}]])
    by_column, one_by_one = turn_facts(column), facts([turns, [*turns, {"role": "tool", "content": " "}]])
    shared = ["shape", "nul", "answered"]
    assert by_column.select(shared).rows() == one_by_one.select(shared).rows()
    # Python knows more characters for white space: what it finds empty may pass here, never the other way.
    assert not (by_column["empty"] & ~one_by_one["empty"]).any()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversations())
def test_rows_that_are_fit_pass_as_files(tmp_path: Path, talk: Conversation) -> None:
    asked, answered = conversation(talk.inputs, talk.outputs)
    said = {"prompt": asked, "chosen": answered}
    rows = drop_rows(row("a", **said), row("b", kind="unpaired", rejected=None, label=True, **said))
    for number in range(2):
        mine = rows[number : number + 1]
        try:
            stage(tmp_path, "d", mine, {"drop_id": "d"})
        except ChecksFailed:
            assert not fit(mine).all()
        else:
            assert fit(mine).all()
