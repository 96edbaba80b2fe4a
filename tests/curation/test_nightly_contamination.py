"""The contamination gate inside the nightly build: before the judge, and again on the final texts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from contracts.settings import CurationSettings, Settings
from curation.build import FINAL_CONTAMINATION
from curation.judge.base import make_judge
from curation.nightly import DropResult, make_drop
from curation.texts.tokens import tokens
from sinks.drops.manifest import read_manifest
from sinks.evals import register
from sinks.lake import Lake
from sinks.quarantine import quarantined, release
from tests.curation.dialogues import RIGHT, WRONG, edited, regenerated
from tests.lakes import ingest, new_lake

NOW = datetime(2026, 1, 9, tzinfo=UTC)
LEAK = (
    "A farmer sells forty two baskets of ripe plums on Monday and half as many on each day after that until "
    "Friday. How many baskets does she sell in the whole week?"
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def registered(lake: Lake, tmp_path: Path, *texts: str) -> None:
    file = tmp_path / "evals.jsonl"
    file.write_text("".join(msgspec.json.encode({"question": text}).decode() + "\n" for text in texts))
    register(lake, "plums", file, ["question"], count_tokens=lambda text: len(tokens(text)), short=8, now=NOW)


def drop(lake: Lake, tmp_path: Path, **curation: Any) -> DropResult:
    settings = Settings(home=tmp_path, curation=CurationSettings(**{"control_share": 0.0} | curation))
    judge = make_judge(settings.judge, curation=settings.curation)
    return make_drop(lake, settings.drops_root, settings, judge, now_us=1_900_000_000_000_000)


def refused(lake: Lake, result: DropResult) -> pl.DataFrame:
    return quarantined(lake, drop_id=result.drop_id, reason="contaminated").collect()


def test_a_leaked_prompt_is_refused_before_the_judge_and_can_be_released(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("leak", prompt=f"Please help me. {LEAK} Thanks!") + edited("fine"))
    clean = drop(lake, tmp_path)
    assert clean.preference_rows == 2
    registered(lake, tmp_path, LEAK)
    gated = drop(lake, tmp_path)
    assert gated.drop_id != clean.drop_id
    assert gated.preference_rows == 1
    (row,) = refused(lake, gated).iter_rows(named=True)
    assert (row["stage"], row["request_ids"]) == ("contamination", ["request-leak"])
    match = msgspec.json.decode(row["evidence"])["matches"][0]
    assert (match["eval_set"], match["side"]) == ("plums", "prompt")
    assert LEAK.split()[3] not in row["evidence"] + row["detail"]
    assert read_manifest(gated.folder)["contamination"]["plums"]["rows_hit"] == 1

    assert release(lake, row["quarantine_id"], "our own tutorial", now=NOW)
    after = drop(lake, tmp_path)
    assert after.preference_rows == 2
    assert refused(lake, after).is_empty()


def test_an_edit_that_holds_an_eval_item_is_refused(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a", text=f"{RIGHT} {LEAK}") + edited("b"))
    registered(lake, tmp_path, LEAK)
    result = drop(lake, tmp_path)
    assert result.preference_rows == 1
    assert refused(lake, result)["request_ids"].to_list() == [["request-a"]]


def test_the_accepted_answer_of_another_request_is_looked_at_too(lake: Lake, tmp_path: Path) -> None:
    events = regenerated("a")
    events[2][1]["response"] = LEAK
    ingest(lake, events + edited("b"))
    registered(lake, tmp_path, LEAK)
    result = drop(lake, tmp_path)
    assert result.preference_rows == 1
    found = refused(lake, result)
    assert found["stage"].to_list() == [FINAL_CONTAMINATION]
    assert found["kind"].to_list() == ["preference"]
    steps = [step["step"] for step in read_manifest(result.folder)["funnel"]]
    assert steps.index("contamination") < steps.index("confirm") < steps.index(FINAL_CONTAMINATION)


def test_text_that_is_the_products_own_raises_no_alarm(lake: Lake, tmp_path: Path) -> None:
    system = "You are the assistant of a plum farm and answer every question about baskets in one sentence."
    turns = [{"role": "system", "parts": [{"type": "text", "content": system}]}]
    events = []
    for n in range(40):
        asked = [{"type": "text", "content": f"Question number {n} about {WRONG[n : n + 9]}"}]
        own = edited(f"p{n}", input_messages=[*turns, {"role": "user", "parts": asked}], text=f"{RIGHT} {n}")
        del own[0][1]["prompt"]
        events += own
    ingest(lake, events)
    registered(lake, tmp_path, f"{system} What is a plum?", LEAK)
    result = drop(lake, tmp_path)
    assert refused(lake, result).is_empty()
    assert result.preference_rows > 30
