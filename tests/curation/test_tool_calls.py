"""Tool calls through the whole build: kept in prompts and sides, redacted, and checked for contamination."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.nightly import DropResult
from sinks.lake import Lake
from tests.curation.dialogues import RIGHT, WRONG, Events, did, edited, regenerated
from tests.curation.test_nightly import drop, refusals
from tests.curation.test_nightly_contamination import LEAK, registered
from tests.drop_files import read_rows
from tests.lakes import ingest, new_lake

SEARCH = {"name": "search", "description": "Looks things up.", "parameters": {"type": "object"}}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def call(arguments: Any, call_id: str = "toolu_1") -> dict[str, Any]:
    return {"role": "assistant", "parts": [part(arguments, call_id)]}


def part(arguments: Any, call_id: str = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_call", "id": call_id, "name": "search", "arguments": arguments}


def result(response: Any, call_id: str = "toolu_1") -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call_id, "response": response}]}


def text(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def logged(events: Events, n: int = 0, **fields: Any) -> Events:
    """The events with the nth request's texts given as messages."""
    request = [event for kind, event in events if kind == "request"][n]
    for field, sugar in (("input_messages", "prompt"), ("output_messages", "response")):
        if field in fields:
            del request[sugar]
    request |= fields
    return events


def turns(folder_row: dict[str, Any], column: str) -> list[dict[str, Any]]:
    return [json.loads(turn) if isinstance(turn, str) else turn for turn in folder_row[column]]


def only_pair(made: DropResult) -> dict[str, Any]:
    (row,) = read_rows(made.folder, "preference").to_dicts()
    return row


def test_an_edit_after_tools_keeps_them_in_the_prompt(lake: Lake, tmp_path: Path) -> None:
    asked = [text("user", "Capital?"), call({"q": "capital"}), result("Canberra", "toolu_1")]
    ingest(lake, logged(edited("a"), input_messages=asked, tools=[SEARCH]))
    row = only_pair(drop(lake, tmp_path))
    function = {"name": "search", "arguments": {"q": "capital"}}
    assert turns(row, "prompt") == [
        {"role": "user", "content": "Capital?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call00001", "type": "function", "function": function}],
        },
        {"role": "tool", "content": "Canberra", "tool_call_id": "call00001", "name": "search"},
    ]
    assert turns(row, "chosen") == [{"role": "assistant", "content": RIGHT}]
    assert turns(row, "rejected") == [{"role": "assistant", "content": WRONG}]
    assert json.loads(row["tools"]) == [{"type": "function", "function": SEARCH}]
    stored = lake.scan("preferences").collect().row(0, named=True)
    assert json.loads(stored["tools"]) == [{"type": "function", "function": SEARCH}]
    assert json.loads(stored["prompt"]) == turns(row, "prompt")
    assert stored["margin"] is None


def test_sides_may_call_tools(lake: Lake, tmp_path: Path) -> None:
    events = logged(regenerated("b"), 0, output_messages=[call({"q": "Sydney"}, "x1")])
    ingest(lake, logged(events, 1, output_messages=[call('{"q": "Canberra"}', "x2")]))
    row = only_pair(drop(lake, tmp_path))
    calls = [turns(row, side)[0]["tool_calls"][0] for side in ("rejected", "chosen")]
    assert [c["function"]["arguments"] for c in calls] == [{"q": "Sydney"}, {"q": "Canberra"}]
    assert [c["id"] for c in calls] == ["call00001", "call00001"]


def test_the_same_call_under_another_id_is_no_pair(lake: Lake, tmp_path: Path) -> None:
    events = logged(regenerated("b"), 0, output_messages=[call({"q": "Sydney", "n": 1}, "x1")])
    ingest(lake, logged(events, 1, output_messages=[call('{"n": 1, "q": "Sydney"}', "x2")]))
    made = drop(lake, tmp_path)
    assert made.preference_rows == 0
    assert refusals(lake, made)["request-b"] == "identical_sides"


def test_a_response_of_several_turns_is_split_before_its_answer(lake: Lake, tmp_path: Path) -> None:
    looped = [call({"q": "capital"}), result("Sydney is large."), text("assistant", WRONG)]
    ingest(lake, logged(edited("a"), output_messages=looped))
    row = only_pair(drop(lake, tmp_path))
    assert [turn["role"] for turn in turns(row, "prompt")] == ["user", "assistant", "tool"]
    assert turns(row, "rejected") == [{"role": "assistant", "content": WRONG}]
    assert turns(row, "chosen") == [{"role": "assistant", "content": RIGHT}]


@pytest.mark.parametrize(("second", "pairs"), [("Same findings.", 1), ("Other findings.", 0)])
def test_two_responses_are_a_pair_when_their_tools_said_the_same(
    lake: Lake, tmp_path: Path, second: str, pairs: int
) -> None:
    def looped(found: str, answer: str, call_id: str) -> list[dict[str, Any]]:
        return [call({"q": "capital"}, call_id), result(found, call_id), text("assistant", answer)]

    events = logged(regenerated("b"), 0, output_messages=looped("Same findings.", WRONG, "x1"))
    ingest(lake, logged(events, 1, output_messages=looped(second, RIGHT, "x2")))
    made = drop(lake, tmp_path)
    assert made.preference_rows == pairs
    # Without a pair the failure still says something by itself.
    assert made.unpaired_rows == 1 - pairs


def test_two_responses_under_different_tools_are_no_pair(lake: Lake, tmp_path: Path) -> None:
    events = logged(regenerated("b"), 0, tools=[SEARCH])
    ingest(lake, logged(events, 1, tools=[{**SEARCH, "name": "browse"}]))
    assert drop(lake, tmp_path).preference_rows == 0


def test_calls_that_do_not_fit_together_are_refused(lake: Lake, tmp_path: Path) -> None:
    asked = [text("user", "Capital?"), result("Canberra", "nobody-asked")]
    ingest(lake, logged(edited("a"), input_messages=asked))
    made = drop(lake, tmp_path)
    assert refusals(lake, made) == {"request-a": "broken_tool_calls"}


def test_an_edit_beats_a_regeneration_of_the_same_answer(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, regenerated("b") + did("b", "edit", text=RIGHT.replace("planned", "quiet")))
    made = drop(lake, tmp_path)
    assert made.preference_rows == 1
    assert (
        lake.scan("examples").filter(pl.col("kind") == "preference").collect()["pair_source"].item()
        == "user_edit"
    )
    assert "better_evidence" in set(lake.scan("quarantine").collect()["reason"])


def test_personal_data_leaves_arguments_and_answers_of_tools(lake: Lake, tmp_path: Path) -> None:
    mail, phone = "ada.lovelace@example.org", "+44 20 7946 0958"
    asked = [
        text("user", f"Write to {mail}"),
        call({"to": mail, "body": {"lines": [f"Call {phone}"]}}, "a"),
        result({"sent": [mail]}, "a"),
    ]
    answer = call(json.dumps({"to": mail}), "b")
    events = logged(regenerated("b"), 0, input_messages=asked, output_messages=[answer])
    made = logged(events, 1, input_messages=asked, output_messages=[text("assistant", f"I wrote to {mail}.")])
    ingest(lake, made)
    row = only_pair(drop(lake, tmp_path))
    everything = json.dumps([turns(row, side) for side in ("prompt", "chosen", "rejected")])
    assert mail not in everything
    assert "7946" not in everything
    arguments = turns(row, "prompt")[1]["tool_calls"][0]["function"]["arguments"]
    placeholder = arguments["to"]
    assert turns(row, "prompt")[0]["content"] == f"Write to {placeholder}"
    assert json.loads(turns(row, "prompt")[2]["content"]) == {"sent": [placeholder]}
    assert turns(row, "rejected")[0]["tool_calls"][0]["function"]["arguments"] == {"to": placeholder}
    assert turns(row, "chosen")[0]["content"] == f"I wrote to {placeholder}."


@pytest.mark.parametrize(
    "where", ["arguments", "json arguments", "answer", "json answer", "called by the answer"]
)
def test_eval_items_in_calls_and_answers_of_tools_are_found(lake: Lake, tmp_path: Path, where: str) -> None:
    """An item over two lines: in JSON its line break is an escape, which must hide no word beside it."""
    leak = LEAK.replace(". ", ".\n")
    asked: list[dict[str, Any]] = [text("user", "Solve this.")]
    fields: dict[str, Any] = {"input_messages": asked}
    if where == "called by the answer":
        fields["output_messages"] = [call({"task": {"lines": [leak]}})]
    else:
        given: Any = {"task": leak} if "arguments" in where else {}
        found: Any = {"hits": [leak]} if where == "json answer" else leak if where == "answer" else "nothing"
        asked += [call(json.dumps(given) if where == "json arguments" else given), result(found)]
    ingest(lake, logged(edited("leak"), **fields) + edited("fine"))
    registered(lake, tmp_path, LEAK)
    made = drop(lake, tmp_path)
    assert refusals(lake, made) == {"request-leak": "contaminated"}


def test_rows_that_differ_in_their_calls_only_are_no_duplicates(lake: Lake, tmp_path: Path) -> None:
    def about(name: str, city: str) -> Events:
        asked = [
            text("user", "And there?"),
            call({"q": f"everything about the weather in {city}"}),
            result("x"),
        ]
        return logged(edited(name), input_messages=asked)

    ingest(lake, about("a", "Canberra this week") + about("b", "Reykjavik ten years ago"))
    assert drop(lake, tmp_path).preference_rows == 2
    ingest(lake, about("c", "Canberra this week"), first_offset=100)
    again = drop(lake, tmp_path)
    assert list(refusals(lake, again).values()) == ["duplicate"]
