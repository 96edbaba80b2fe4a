from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from contracts.errors import TerminalError
from contracts.settings import CurationSettings, Settings
from curation.judge.base import make_judge
from curation.nightly import DropResult, make_drop
from sinks.drops.documents import DOCUMENTS
from sinks.drops.manifest import read_manifest, verify
from sinks.drops.publish import registry
from sinks.lake import Lake
from tests.curation.dialogues import RIGHT, WRONG, asked, did, edited, regenerated, turned_out
from tests.drop_files import files_of, read_rows
from tests.factories import START, consent_event, request_event
from tests.lakes import ingest, new_lake

NOW_US = 1_900_000_000_000_000


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def drop(lake: Lake, tmp_path: Path, *, as_of: datetime | None = None, **curation: Any) -> DropResult:
    settings = Settings(home=tmp_path, curation=CurationSettings(**{"control_share": 0.0} | curation))
    judge = make_judge(settings.judge, curation=settings.curation)
    return make_drop(lake, settings.drops_root, settings, judge, now_us=NOW_US, as_of=as_of)


def pairs(result: DropResult) -> list[dict[str, Any]]:
    return read_rows(result.folder, "preference").to_dicts()


def refusals(lake: Lake, result: DropResult) -> dict[str, str]:
    rows = lake.scan("quarantine").filter(pl.col("drop_id") == result.drop_id).collect()
    return {row["request_ids"][0]: row["reason"] for row in rows.iter_rows(named=True)}


def test_an_edit_and_a_regeneration_become_pairs_text_for_text(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a") + regenerated("b"))
    result = drop(lake, tmp_path)
    assert sorted(pairs(result), key=lambda row: row["prompt"][0]["content"]) == [
        {
            "prompt": [{"role": "user", "content": f"What is the capital of Australia? ({name})"}],
            "chosen": [{"role": "assistant", "content": RIGHT}],
            "rejected": [{"role": "assistant", "content": WRONG}],
        }
        for name in ("a", "b")
    ]
    assert verify(result.folder) == []


def test_the_whole_conversation_is_the_prompt(lake: Lake, tmp_path: Path) -> None:
    turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello!"), ("user", "Capital?")]
    messages = [{"role": r, "parts": [{"type": "text", "content": c}]} for r, c in turns]
    events = edited("a", input_messages=messages)
    del events[0][1]["prompt"]
    ingest(lake, events)
    (pair,) = pairs(drop(lake, tmp_path))
    assert pair["prompt"] == [{"role": r, "content": c} for r, c in turns]


def test_each_regenerated_answer_loses_to_the_accepted_one(lake: Lake, tmp_path: Path) -> None:
    events = asked("a", response="first try, wrong") + did("a", "regenerate", seconds=5)
    events += asked("a", response="second try, wrong too", seconds=10, request_id="request-a-2")
    events += did("a", "regenerate", seconds=15, request="request-a-2")
    events += asked("a", response=RIGHT, seconds=20, request_id="request-a-3")
    events += did("a", "accept", seconds=25, request="request-a-3")
    ingest(lake, events)
    found = pairs(drop(lake, tmp_path))
    assert {row["rejected"][0]["content"] for row in found} == {"first try, wrong", "second try, wrong too"}
    assert {row["chosen"][0]["content"] for row in found} == {RIGHT}


def test_every_pair_leads_back_to_rows_of_the_lake(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a") + regenerated("b"))
    result = drop(lake, tmp_path)
    provenance = pl.read_parquet(result.folder / "provenance.parquet")
    requests = set(lake.requests().collect()["request_id"])
    events = set(lake.signals().collect()["event_id"])
    assert provenance.height == result.preference_rows + result.unpaired_rows > 0
    assert set(provenance["request_ids"].explode()) <= requests
    assert set(provenance["evidence_ids"].explode()) <= events
    examples = lake.scan("examples").collect()
    assert set(examples["example_id"]) == set(provenance["example_id"])
    assert set(examples["judge_epoch"]) == {read_manifest(result.folder)["judge"]["epoch"]}


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("consent_denied", {"consent": {"scopes": ["analytics"]}}),
        ("consent_unknown", {"consent": None}),
        ("actor", {"actor": "internal"}),
        ("actor", {"actor": "synthetic"}),
    ],
)
def test_what_may_not_be_learned_from_is_refused_with_the_reason(
    lake: Lake, tmp_path: Path, reason: str, fields: dict[str, Any]
) -> None:
    events = edited("bad", **fields) + edited("good")
    if fields.get("consent", "") is None:
        del events[0][1]["consent"]
    ingest(lake, events)
    result = drop(lake, tmp_path)
    assert result.preference_rows == 1
    assert refusals(lake, result) == {"request-bad": reason}


def test_consent_revoked_after_the_request_refuses_the_row(lake: Lake, tmp_path: Path) -> None:
    revoked = consent_event("c1", seconds=3600, user_id="user-a", granted=False)
    ingest(lake, [*edited("a"), ("consent", revoked)])
    result = drop(lake, tmp_path)
    assert result.preference_rows == 0
    assert refusals(lake, result) == {"request-a": "consent_revoked"}


def test_consent_events_stand_in_for_what_the_request_did_not_say(lake: Lake, tmp_path: Path) -> None:
    events = edited("a") + edited("late")
    for _, event in events:
        event.pop("consent", None)
    granted = consent_event("c1", seconds=-60, user_id="user-a")
    after = consent_event("c2", seconds=60, user_id="user-late")
    ingest(lake, [*events, ("consent", granted), ("consent", after)])
    result = drop(lake, tmp_path)
    assert result.preference_rows == 1
    assert refusals(lake, result) == {"request-late": "consent_unknown"}


def test_held_out_users_never_enter_a_drop(lake: Lake, tmp_path: Path) -> None:
    events = [pair for n in range(60) for pair in edited(f"u{n}", text=f"{RIGHT} {n}")]
    ingest(lake, events, held_out_share=0.3)
    held = set(lake.requests().filter(pl.col("split") == "held_out").collect()["request_id"])
    result = drop(lake, tmp_path)
    assert 5 < len(held) < 35
    assert {r for r, reason in refusals(lake, result).items() if reason == "held_out"} == held
    used = pl.read_parquet(result.folder / "provenance.parquet")["request_ids"].explode()
    assert not held & set(used)


def test_metadata_only_requests_never_become_rows(lake: Lake, tmp_path: Path) -> None:
    events = asked("a") + did("a", "regenerate")
    for name in ("prompt", "response"):
        del events[0][1][name]
    ingest(lake, events + edited("b"))
    result = drop(lake, tmp_path)
    assert refusals(lake, result) == {"request-a": "metadata_only"}


def test_cosmetic_edits_and_rewrites_make_no_pairs(lake: Lake, tmp_path: Path) -> None:
    events = edited("cosmetic", text=WRONG + ".") + did("cosmetic", "thumbs", value=-1)
    events += edited("rewrite", text="z" * 200) + edited("good")
    events += edited("opposite", text=WRONG.replace("is Sydney", "is not Sydney"))
    ingest(lake, events)
    result = drop(lake, tmp_path, edit_ratio_max=0.8)
    assert result.preference_rows == 1
    found = refusals(lake, result)
    assert found["request-cosmetic"] == "edit_cosmetic"
    assert found["request-opposite"] == "edit_opposite"
    assert found["request-rewrite"] in {"edit_rewrite", "judge_unsure"}


def test_identical_and_empty_sides_are_refused(lake: Lake, tmp_path: Path) -> None:
    same = regenerated("same")
    same[2][1]["response"] = WRONG
    empty = regenerated("empty")
    empty[2][1]["response"] = "  "
    ingest(lake, same + empty)
    result = drop(lake, tmp_path)
    assert result.preference_rows == 0
    assert set(refusals(lake, result).items()) >= {
        ("request-same", "identical_sides"),
        ("request-empty", "empty_side"),
    }


def test_rows_that_chat_templates_refuse_hold_no_drop_back(lake: Lake, tmp_path: Path) -> None:
    def said(*roles: str) -> dict[str, Any]:
        parts = [{"role": r, "parts": [{"type": "text", "content": f"{r} {n}"}]} for n, r in enumerate(roles)]
        return {"prompt": None, "input_messages": parts}

    ingest(
        lake,
        edited("good")
        + edited("newer", **said("developer", "user"))
        + edited("rows", **said("system", "developer", "user", "user"))
        + edited("late", **said("user", "system", "user"))
        + edited("greeting", **said("assistant", "user"))
        + edited("nul", prompt="a\x00b"),
    )
    result = drop(lake, tmp_path)
    assert result.preference_rows == 3
    assert refusals(lake, result) == {
        "request-late": "roles_do_not_alternate",
        "request-greeting": "roles_do_not_alternate",
        "request-nul": "nul_character",
    }
    prompts = read_rows(result.folder, "prompts")["prompt"].to_list()
    assert sorted([turn["role"] for turn in prompt] for prompt in prompts) == [
        ["system", "user"],
        ["system", "user"],
        ["user"],
    ]
    joined = [
        {"role": "system", "content": "system 0\n\ndeveloper 1"},
        {"role": "user", "content": "user 2\n\nuser 3"},
    ]
    assert joined in prompts


def test_the_same_content_is_kept_once(lake: Lake, tmp_path: Path) -> None:
    twice = edited("a", prompt="same question") + edited("b", prompt="same question")
    ingest(lake, twice)
    result = drop(lake, tmp_path)
    assert result.preference_rows == 1
    assert list(refusals(lake, result).values()) == ["duplicate"]


def test_images_are_refused_rather_than_lost(lake: Lake, tmp_path: Path) -> None:
    parts = [{"type": "text", "content": "Capital?"}, {"type": "uri", "modality": "image", "uri": "x"}]
    events = edited("a", input_messages=[{"role": "user", "parts": parts}])
    del events[0][1]["prompt"]
    ingest(lake, events)
    result = drop(lake, tmp_path)
    assert refusals(lake, result) == {"request-a": "non_text_parts"}


def test_one_sided_evidence_becomes_unpaired_rows(lake: Lake, tmp_path: Path) -> None:
    bad = asked("bad") + did("bad", "thumbs", value=-1)
    good = asked("good", response=RIGHT) + did("good", "accept") + turned_out("good", success=True)
    ingest(lake, bad + good)
    result = drop(lake, tmp_path, control_share=1.0)
    rows = read_rows(result.folder, "unpaired").to_dicts()
    assert {(row["completion"][0]["content"], row["label"]) for row in rows} == {
        (WRONG, False),
        (RIGHT, True),
    }


def test_a_user_has_at_most_so_many_rows(lake: Lake, tmp_path: Path) -> None:
    events = []
    for n in range(5):
        events += edited(f"u{n}", user_id="one-user", text=f"{RIGHT} {n}")
    ingest(lake, events)
    result = drop(lake, tmp_path, max_per_user=2)
    assert result.preference_rows == 2
    assert sorted(refusals(lake, result).values()) == ["user_cap"] * 3


def test_the_same_inputs_give_the_same_bytes_and_one_registration(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a") + regenerated("b"))
    first = drop(lake, tmp_path)
    again = drop(lake, tmp_path)
    elsewhere = drop_elsewhere(lake, tmp_path)
    assert again.drop_id == first.drop_id == elsewhere.name
    assert (first.new, again.new) == (True, False)
    assert registry(lake).height == 1
    assert files_of(first.folder) == files_of(elsewhere)
    assert lake.scan("examples").collect().height == first.preference_rows + first.unpaired_rows


def test_provenance_says_how_each_row_was_chosen_and_what_it_stands_for(lake: Lake, tmp_path: Path) -> None:
    good = [
        event
        for n in range(40)
        for event in asked(f"good{n}", response=f"{RIGHT} {n}")
        + did(f"good{n}", "accept")
        + turned_out(f"good{n}", success=True)
    ]
    twice = edited("a", prompt="same question") + edited("b", prompt="same question")
    reported = edited("c") + did("c", "report", seconds=20)
    ingest(lake, good + twice + reported)
    result = drop(lake, tmp_path, control_share=0.5, target_family="m")
    rows = pl.read_parquet(result.folder / "provenance.parquet")
    control = rows.filter(pl.col("slice") == "control")
    assert 5 < control.height < 35
    assert control["inclusion_probability"].unique().to_list() == [0.5]
    failures = rows.filter(pl.col("slice") == "failure").sort("cluster_size")
    assert failures["inclusion_probability"].to_list() == [1.0, 1.0]
    assert failures["safety"].to_list() == [True, False]
    assert failures["cluster_size"].to_list() == [1, 2]
    assert failures["design_weight"].to_list() == [1.0, 2.0]
    stored = lake.scan("examples").collect()
    # What an auditor asks of the files, the table answers alike.
    both = sorted(set(rows.columns) & set(stored.columns))
    assert {"consent_scope", "consent_policy_version", "consent_as_of", "transforms", "judge_epoch"} < set(
        both
    )
    assert "user_key" not in rows.columns
    assert_frame_equal(rows.select(both).sort("example_id"), stored.select(both).sort("example_id"))
    unknown = {name for name in both if rows[name].null_count()}
    assert unknown <= {"model", "base_model", "license", "guideline_version", "consent_policy_version"}
    assert sorted(map(len, stored["cluster_request_ids"]))[-1] == 2


def test_when_everything_is_refused_the_drop_is_empty_and_says_why(lake: Lake, tmp_path: Path) -> None:
    events = edited("a") + edited("b")
    for _, event in events:
        event.pop("consent", None)
    ingest(lake, events)
    result = drop(lake, tmp_path)
    assert result.preference_rows + result.unpaired_rows == 0
    assert set(refusals(lake, result).values()) == {"consent_unknown"}
    assert verify(result.folder) == []


def drop_elsewhere(lake: Lake, tmp_path: Path) -> Path:
    """The same events in another lake on another day."""
    other = new_lake(tmp_path / "other" / "lake")
    ingest(other, edited("a") + regenerated("b"))
    settings = Settings(home=tmp_path / "other", curation=CurationSettings(control_share=0.0))
    judge = make_judge(settings.judge, curation=settings.curation)
    return make_drop(other, settings.drops_root, settings, judge, now_us=NOW_US + 10**12).folder


def test_as_of_sees_only_what_was_known_then(lake: Lake, tmp_path: Path) -> None:
    later = START + timedelta(days=9)
    ingest(lake, edited("a") + asked("b"))
    ingest(lake, turned_out("b", success=False, seconds=9 * 86_400), first_offset=100, settle_requests=False)
    before = drop(lake, tmp_path, as_of=later - timedelta(days=1), channel="earlier")
    after = drop(lake, tmp_path)
    assert refusals(lake, before)["request-b"] == "below_threshold"
    assert "request-b" not in refusals(lake, after)
    assert before.preference_rows == after.preference_rows == 1
    assert after.unpaired_rows == 1
    assert read_manifest(before.folder)["as_of"] < read_manifest(after.folder)["as_of"]


def test_a_later_drop_holds_what_is_new_and_some_of_the_old_again(lake: Lake, tmp_path: Path) -> None:
    first = [event for n in range(20) for event in edited(f"u{n}", text=f"{RIGHT} {n} {'old ' * n}")]
    ingest(lake, first)
    one = drop(lake, tmp_path)
    again = [
        event for n in range(20, 40) for event in edited(f"u{n}", seconds=9000, text=f"{RIGHT} {'new ' * n}")
    ]
    ingest(lake, again, first_offset=100)
    two = drop(lake, tmp_path, replay_share=0.25)
    names = pl.read_parquet(two.folder / "provenance.parquet")
    slices = dict(names.group_by("slice").len().iter_rows())
    assert one.preference_rows > 10
    assert slices["replay"] >= 2
    assert slices["failure"] > slices["replay"]
    earlier = set(pl.read_parquet(one.folder / "provenance.parquet")["request_ids"].explode())
    fresh = set(names.filter(pl.col("slice") == "failure")["request_ids"].explode())
    assert not fresh & earlier
    assert "in_earlier_drop" in set(refusals(lake, two).values())
    assert read_manifest(two.folder)["earlier_drops"] == [one.drop_id]
    assert names.filter(pl.col("slice") == "failure")["novelty"].max() < 1.0


def test_a_kill_at_any_step_of_publishing_leaves_the_old_or_the_new_state(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a") + regenerated("b"))
    settings = Settings(home=tmp_path, curation=CurationSettings(control_share=0.0))
    judge = make_judge(settings.judge, curation=settings.curation)

    class Killed(BaseException):
        pass

    def run(stop_at: str | None) -> DropResult:
        def step(name: str) -> None:
            if name == stop_at:
                raise Killed(name)

        return make_drop(lake, settings.drops_root, settings, judge, now_us=NOW_US, step=step)

    for name in ("rows:examples", "rows:preferences", "rows:quarantine", "rows:lineage", "moved"):
        with pytest.raises(Killed):
            run(name)
        assert registry(lake).height == 0
    with pytest.raises(Killed):
        run("registered")
    assert registry(lake).height == 1
    result = run(None)
    assert not result.new
    assert verify(result.folder) == []
    assert lake.scan("examples").collect()["example_id"].is_duplicated().sum() == 0
    assert not list(settings.drops_root.glob(".staging-*"))


def test_an_empty_lake_says_what_to_do(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="no interactions") as caught:
        drop(lake, tmp_path)
    assert caught.value.hint


def test_a_drop_without_rows_is_published_and_has_no_empty_files(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, [("request", request_event("r1", user_id="u"))])
    result = drop(lake, tmp_path)
    assert (result.preference_rows, result.unpaired_rows) == (0, 0)
    assert verify(result.folder) == []
    assert set(read_manifest(result.folder)["files"]) == {"provenance.parquet", *DOCUMENTS}
    assert pl.read_parquet(result.folder / "provenance.parquet").height == 0


def test_the_manifest_names_judge_inputs_and_every_file(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a"))
    result = drop(lake, tmp_path, validation_share=0.0)
    manifest = read_manifest(result.folder)
    assert manifest["judge"]["judge"] == "rules"
    assert manifest["inputs"] == {
        name: lake.version(name) for name in ("requests", "signals", "outcomes", "consents", "interactions")
    }
    assert set(manifest["files"]) == {
        "preference/train.parquet",
        "sft/train.parquet",
        "prompts/train.parquet",
        "openai/preference/train.jsonl",
        "openai/sft/train.jsonl",
        "provenance.parquet",
        *DOCUMENTS,
    }
    assert manifest["left_out"] == {}
    assert set(manifest["tokens"]["files"]) == set(manifest["files"]) - {"provenance.parquet", *DOCUMENTS}
    assert manifest["counts"]["preference"] == 1
    lines = (result.folder / "openai/preference/train.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {
        "input": {"messages": [{"role": "user", "content": "What is the capital of Australia? (a)"}]},
        "preferred_output": [{"role": "assistant", "content": RIGHT}],
        "non_preferred_output": [{"role": "assistant", "content": WRONG}],
    }
    assert datetime.fromisoformat(manifest["as_of"]).tzinfo == UTC
