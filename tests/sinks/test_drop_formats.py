"""The files of a drop as trainers load them: `datasets` for TRL, lines for the OpenAI API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from contracts.chat import Turn, conversation, openai_turn
from contracts.errors import DropInvalid
from sinks.drops.formats import ROW_COLUMNS, Written, parquet, write_files
from tests.conversations import Conversation, conversations

FIND = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
CALL: Turn = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": "call00001",
            "type": "function",
            "function": {"name": "find", "arguments": {"q": "x", "n": [1]}},
        }
    ],
}
RESULT: Turn = {"role": "tool", "content": "42", "tool_call_id": "call00001", "name": "find"}
QUESTION: list[Turn] = [{"role": "user", "content": "What is it?"}]


def says(text: str) -> list[Turn]:
    return [{"role": "assistant", "content": text}]


def row(name: str, **fields: Any) -> dict[str, Any]:
    made = {
        "example_id": name,
        "kind": "preference",
        "prompt": QUESTION,
        "chosen": says(f"good {name}"),
        "rejected": says("bad"),
        "label": None,
        "tools": None,
        "split": "train",
        "margin": None,
        "request_ids": [name],
        **fields,
    }
    turns = ("prompt", "chosen", "rejected")
    return {k: json.dumps(v) if k in turns and v is not None else v for k, v in made.items()}


def drop_rows(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows as a build has them."""
    schema = {"label": pl.Boolean, "tools": pl.String, "margin": pl.Float64, "chosen": pl.String}
    return pl.DataFrame(list(rows), schema_overrides=schema | {"rejected": pl.String})


def written(folder: Path, *rows: dict[str, Any]) -> Written:
    folder.mkdir(parents=True, exist_ok=True)
    return write_files(folder, drop_rows(*rows))


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Load a folder as a trainer does, without a cache that outlives the test."""

    def load(folder: Path) -> Any:
        return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))

    datasets.disable_progress_bars()
    return load


def test_plain_rows_keep_the_plain_columns(tmp_path: Path, load: Any) -> None:
    files = written(tmp_path, row("a"), row("b", split="validation"), row("c"))
    assert files.rows == {
        "preference/train.parquet": 2,
        "preference/validation.parquet": 1,
        "sft/train.parquet": 2,
        "sft/validation.parquet": 1,
        "prompts/train.parquet": 1,
        "prompts/validation.parquet": 1,
        "openai/preference/train.jsonl": 2,
        "openai/preference/validation.jsonl": 1,
        "openai/sft/train.jsonl": 2,
        "openai/sft/validation.jsonl": 1,
        "provenance.parquet": 3,
    }
    assert files.left_out == {}
    pairs = load(tmp_path / "preference")
    assert {name: split.num_rows for name, split in pairs.items()} == {"train": 2, "validation": 1}
    assert pairs["train"].column_names == ["prompt", "chosen", "rejected"]
    assert pairs["train"][0] == {"prompt": QUESTION, "chosen": says("good a"), "rejected": says("bad")}


def test_tool_calls_come_back_as_they_were(tmp_path: Path, load: Any) -> None:
    prompt = [*QUESTION, CALL, RESULT]
    written(
        tmp_path,
        row("a", prompt=prompt, chosen=[CALL], tools=json.dumps([FIND])),
        row("b", split="validation"),
        row("c", kind="unpaired", prompt=prompt, rejected=None, label=True, tools=json.dumps([FIND])),
    )
    pairs = load(tmp_path / "preference")
    # No key that was not there: chat templates ask whether a turn has calls by asking whether it has the key.
    assert pairs["train"][0] == {
        "prompt": prompt,
        "chosen": [CALL],
        "rejected": says("bad"),
        "tools": [FIND],
    }
    assert pairs["validation"][0] == {
        "prompt": QUESTION,
        "chosen": says("good b"),
        "rejected": says("bad"),
        "tools": None,
    }
    single = load(tmp_path / "unpaired")["train"][0]
    assert single == {"prompt": prompt, "completion": says("good c"), "label": True, "tools": [FIND]}


def test_functions_that_nobody_called_are_offered_all_the_same(tmp_path: Path, load: Any) -> None:
    written(tmp_path, row("a", tools=json.dumps([FIND])))
    assert load(tmp_path / "preference")["train"][0]["tools"] == [FIND]


def test_a_margin_column_is_there_when_every_pair_has_one(tmp_path: Path, load: Any) -> None:
    written(tmp_path / "some", row("a", margin=0.5), row("b"))
    assert "margin" not in load(tmp_path / "some" / "preference")["train"].column_names
    known = pl.read_parquet(tmp_path / "some" / "provenance.parquet")
    assert known["margin"].to_list() == [0.5, None]
    written(tmp_path / "all", row("a", margin=0.5), row("b", margin=-0.25), row("c", margin=0.0))
    assert load(tmp_path / "all" / "preference")["train"]["margin"][:] == [0.5, 0.0, 0.0]


def test_lines_for_the_openai_api(tmp_path: Path) -> None:
    prompt = [*QUESTION, CALL, RESULT]
    written(tmp_path, row("a"), row("b", prompt=prompt, tools=json.dumps([FIND])))
    plain, tooled = map(json.loads, (tmp_path / "openai/preference/train.jsonl").read_text().splitlines())
    assert plain == {
        "input": {"messages": QUESTION},
        "preferred_output": says("good a"),
        "non_preferred_output": says("bad"),
    }
    assert tooled["input"]["tools"] == [FIND]
    assert tooled["input"]["parallel_tool_calls"] is True
    asked, answer = tooled["input"]["messages"][1:]
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == {"q": "x", "n": [1]}
    assert answer == {"role": "tool", "content": "42", "tool_call_id": "call00001"}


def test_provenance_points_at_every_row_of_every_file(tmp_path: Path) -> None:
    rows = [row(f"r{n}", split="validation" if n % 3 == 0 else "train") for n in range(7)]
    rows.append(row("r7", chosen=[CALL]))
    rows.append(row("u0", kind="unpaired", chosen=None, label=False))
    rows.append(row("u1", kind="unpaired", rejected=None, label=True, prompt=[*QUESTION, CALL, RESULT]))
    rows.append(row("u2", kind="unpaired", rejected=None, label=True))
    files = written(tmp_path, *rows)
    assert files.left_out == {"openai/preference/train.jsonl": {"tool_calls_in_output": 1}}
    provenance = pl.read_parquet(tmp_path / "provenance.parquet")
    assert sorted(provenance["example_id"]) == [made["example_id"] for made in rows]
    given = {made["example_id"]: made for made in rows}
    named: dict[str, set[int]] = {}
    for entry in provenance.iter_rows(named=True):
        made = given[entry["example_id"]]
        prompt, answer = json.loads(made["prompt"]), json.loads(made["chosen"] or made["rejected"])
        places = {entry["file"]: entry["row"]}
        places |= {p.format(entry["split"]): entry[column] for column, p in ROW_COLUMNS.items()}
        for name, number in places.items():
            if number is None:
                continue
            named.setdefault(name, set()).add(number)
            found = at(tmp_path / name, number)
            kind = name.rpartition("/")[0]
            if kind == "prompts":
                assert found["prompt"] == prompt
            elif kind == "sft":
                assert found["messages"] == prompt + answer
            elif kind == "openai/sft":
                assert found["messages"][-1] == {**openai_turn(answer[0]), "weight": 1}
            elif kind == "openai/preference":
                assert found["preferred_output"] == answer
            else:
                assert answer in (found.get("chosen"), found.get("completion"))
    assert {name: len(numbers) for name, numbers in named.items()} == {
        name: count for name, count in files.rows.items() if name != "provenance.parquet"
    }


def at(path: Path, number: int) -> Any:
    """A row of a training file as a trainer sees it."""
    if path.suffix == ".jsonl":
        return json.loads(path.read_text().splitlines()[number])
    found = pl.read_parquet(path).row(number, named=True)
    return {
        name: [json.loads(turn) if isinstance(turn, str) else turn for turn in value]
        if isinstance(value, list)
        else value
        for name, value in found.items()
    }


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversations())
def test_any_conversation_survives_the_files(tmp_path: Path, talk: Conversation) -> None:
    asked, answered = conversation(talk.inputs, talk.outputs)
    folder = tmp_path / f"drop{hash(str(asked + answered))}"
    files = written(folder, row("a", prompt=asked, chosen=answered))
    (line,) = map(json.loads, (folder / "openai/sft/train.jsonl").read_text().splitlines())
    learned = [turn.pop("weight") for turn in line["messages"] if turn["role"] == "assistant"]
    assert learned == [0] * (len(learned) - 1) + [1]
    assert line["messages"] == [openai_turn(turn) for turn in asked + answered]
    pairs = folder / "openai/preference/train.jsonl"
    assert pairs.exists() != bool(files.left_out)
    if pairs.exists():
        (line,) = map(json.loads, pairs.read_text().splitlines())
        assert line["input"]["messages"] == [openai_turn(turn) for turn in asked]
    for name, texts in (
        ("preference", {"prompt": asked, "chosen": answered}),
        ("sft", {"messages": asked + answered}),
    ):
        read = datasets.Dataset.from_parquet(
            str(folder / name / "train.parquet"), cache_dir=str(folder / "cache")
        )
        assert {column: read[0][column] for column in texts} == texts


def files_in(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_the_bytes_do_not_depend_on_how_many_rows_are_decoded_at_a_time(tmp_path: Path) -> None:
    rows = [row(f"r{n}", prompt=[{"role": "user", "content": f"{n}\u2028é"}]) for n in range(9)]
    rows += [row(f"t{n}", prompt=[*QUESTION, CALL, RESULT], tools=json.dumps([FIND])) for n in range(5)]
    rows += [row(f"u{n}", kind="unpaired", rejected=None, label=True) for n in range(4)]
    for batch in (1, 3, 10_000):
        (tmp_path / str(batch)).mkdir()
        write_files(tmp_path / str(batch), drop_rows(*rows), batch=batch)
    assert files_in(tmp_path / "1") == files_in(tmp_path / "3") == files_in(tmp_path / "10000")
    assert len(files_in(tmp_path / "1")) == 7


@pytest.mark.parametrize("tools", [None, json.dumps([FIND])])
def test_files_are_written_in_row_groups_that_readers_can_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: str | None
) -> None:
    rows = [
        row(f"r{n:02d}", tools=tools, prompt=QUESTION if n % 2 else [*QUESTION, CALL, RESULT])
        for n in range(40)
    ]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    written(whole, *rows)
    monkeypatch.setattr(parquet, "GROUP_BYTES", 2_000)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 7)
    written(parts, *rows)
    for name in ("preference/train.parquet", "sft/train.parquet", "provenance.parquet"):
        with pq.ParquetFile(parts / name) as file:
            groups = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
            assert len(groups) > 4
            assert max(group.num_rows for group in groups) <= 7
            assert {group.column(0).compression for group in groups} == {"ZSTD"}
            assert groups[0].column(0).has_offset_index
            # Nothing but the types: no writer's notes that change from run to run.
            assert set(file.metadata.metadata) == {b"ARROW:schema"}
            assert file.read().equals(pq.read_table(whole / name))


def test_turns_that_both_sides_begin_with_move_into_the_input_of_the_api(tmp_path: Path) -> None:
    shared = [CALL, RESULT]
    rows = [
        row("a", chosen=[*shared, *says("good")], rejected=[*shared, *says("bad")]),
        row("b", chosen=[*shared, *says("good")], rejected=says("bad")),
        row("c", chosen=says("good"), rejected=[CALL]),
        row("d", chosen=[*shared, *says("good")], rejected=[*shared, *says(" ")]),
    ]
    files = written(tmp_path, *rows)
    (line,) = map(json.loads, (tmp_path / "openai/preference/train.jsonl").read_text().splitlines())
    assert line["input"]["messages"] == [openai_turn(turn) for turn in [*QUESTION, *shared]]
    assert (line["preferred_output"], line["non_preferred_output"]) == (says("good"), says("bad"))
    name = "openai/preference/train.jsonl"
    assert files.left_out == {
        name: {"no_text_in_output": 1, "several_turns_in_output": 1, "tool_calls_in_output": 1}
    }
    assert files.rows[name] == 1
    assert files.rows["preference/train.parquet"] == files.rows["openai/sft/train.jsonl"] == 4


def test_a_half_surrogate_is_refused_rather_than_read_as_something_else(tmp_path: Path) -> None:
    broken = drop_rows(row("a")).with_columns(chosen=pl.lit('[{"role":"assistant","content":"\\ud800"}]'))
    with pytest.raises(DropInvalid, match="other than turns"):
        write_files(tmp_path, broken)
    paired = broken.with_columns(chosen=pl.lit('[{"role":"assistant","content":"\\ud83d\\ude00"}]'))
    write_files(tmp_path, paired)
    assert at(tmp_path / "preference/train.parquet", 0)["chosen"] == says("\U0001f600")


@pytest.mark.parametrize("broken", ["no json, but a text of a user", '{"role": "user"}', "[1]"])
@pytest.mark.parametrize("tools", [None, json.dumps([FIND])])
def test_rows_without_turns_are_refused_without_a_word_of_them(
    tmp_path: Path, broken: str, tools: str | None
) -> None:
    rows = drop_rows(row("a"), row("b", prompt=[*QUESTION, CALL, RESULT], tools=tools))
    with pytest.raises(DropInvalid, match="other than turns") as told:
        write_files(tmp_path, rows.with_columns(chosen=pl.lit(broken)))
    assert broken not in str(told.value)


def test_an_empty_prompt_is_left_to_the_checks(tmp_path: Path) -> None:
    written(tmp_path, row("a", prompt=[]))
    assert at(tmp_path / "sft/train.parquet", 0)["messages"] == says("good a")
