"""`tailrace evals …` and `tailrace quarantine …`, as a person or a script uses them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from console.main import app
from contracts.errors import TailraceError
from curation.contamination.index import ContaminationIndex
from curation.contamination.rates import contamination
from curation.contamination.step import contamination_step
from sinks.drops.manifest import write_manifest
from sinks.evals import active_sets
from sinks.lake import Lake
from sinks.transactions import append_once
from tests.curation.contamination.samples import DUCKS, EVALS, PLAIN, ROBE
from tests.curation.contamination.test_step import training_rows
from tests.factories import START, table_rows

runner = CliRunner(env={"COLUMNS": "200"})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Lake(tmp_path / "tailrace-home" / "lake").create()
    (tmp_path / "demo.jsonl").write_text(
        "".join(
            json.dumps({"id": i, "question": t, "note": "x"}) + "\n"
            for i, t in (("ducks", DUCKS), ("robe", ROBE))
        )
        + json.dumps({"id": "none", "question": ""})
        + "\n"
    )
    return tmp_path / "tailrace-home"


def answer(*arguments: str) -> Any:
    result = runner.invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def shown(*arguments: str) -> str:
    result = runner.invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: str) -> TailraceError:
    result = runner.invoke(app, list(arguments))
    assert isinstance(result.exception, TailraceError), result.output
    assert result.exception.hint
    return result.exception


def publish(
    home: Path, drop_id: str, *, days: int, texts: list[tuple[str, str, str]], folder: bool = True
) -> None:
    """A drop as the nightly build leaves it, with what the gate refused."""
    lake = Lake(home / "lake")
    as_of = START + timedelta(days=days)
    refusals = contamination_step(training_rows(*texts), ContaminationIndex.build(EVALS), ()).refused
    rows = refusals.with_columns(drop_id=pl.lit(drop_id), refused_at=pl.lit(as_of).dt.cast_time_unit("us"))
    columns = lake.scan("quarantine").collect_schema().names()
    append_once(lake, "quarantine", rows.select(columns), batch_id=f"drop/{drop_id}")
    row = {"drop_id": drop_id, "path": drop_id, "as_of": as_of, "published_at": as_of}
    append_once(lake, "drops", table_rows("drops", [row]), batch_id=f"drop/{drop_id}")
    if folder:
        path = home / "drops" / drop_id
        path.mkdir(parents=True)
        block = contamination(refusals, active_sets(lake), len(texts))
        write_manifest(path, {"drop_id": drop_id, "contamination": block}, {})


def test_a_set_is_registered_listed_shown_and_removed(home: Path) -> None:
    done = answer("evals", "add", "demo", "demo.jsonl")
    assert (done["version"], done["new"], done["items"], done["empty_rows"]) == (1, True, 2, 1)
    again = shown("evals", "add", "demo", "demo.jsonl")
    assert "in force already" in again
    assert "1 of 3 rows have no text" in again
    assert [row["eval_set"] for row in answer("evals", "list")] == ["demo"]
    assert "demo" in shown("evals", "list")
    found = answer("evals", "show", "demo")
    assert [item["item_id"] for item in found["items"]] == ["ducks", "robe"]
    assert "bolts" in shown("evals", "show", "demo")
    assert answer("evals", "remove", "demo")["status"] == "removed"
    assert answer("evals", "list") == []


def test_errors_name_what_to_do(home: Path) -> None:
    assert "no field nope" in str(refused("evals", "add", "demo", "demo.jsonl", "--field", "nope"))
    assert "is not a file" in str(refused("evals", "add", "demo", "nothing.jsonl"))
    assert "no eval set other" in str(refused("evals", "show", "other"))
    assert "there is no drop" in str(refused("evals", "report", "d9"))
    assert "nothing in quarantine" in str(refused("quarantine", "release", "x", "--reason", "y"))


def test_the_report_shows_matches_and_growth(home: Path) -> None:
    answer("evals", "add", "demo", "demo.jsonl")
    publish(home, "d1", days=1, texts=[(PLAIN, PLAIN, PLAIN)] * 3)
    publish(home, "d2", days=2, texts=[(DUCKS, PLAIN, PLAIN), (PLAIN, PLAIN, PLAIN)])
    publish(home, "d3", days=3, texts=[(DUCKS, PLAIN, PLAIN), (PLAIN, ROBE, PLAIN)])
    found = answer("evals", "report", "d3")
    exact = [row for row in found["summary"] if row["layer"] == "exact"]
    assert exact == [
        {"eval_set": "demo", "layer": "exact", "severe": True, "items": 2, "rows": 2, "matches": 2}
    ]
    match = next(m for m in found["matches"] if m["item_id"] == "robe" and m["layer"] == "exact")
    assert (match["side"], match["start"], match["end"]) == ("chosen", 0, len(ROBE) - 1)
    growth = [
        (row["drop_id"], row["items_hit"], row["rows_hit"], row["row_share"]) for row in found["over_time"]
    ]
    assert growth == [("d1", 0, 0, 0.0), ("d2", 1, 1, 0.5), ("d3", 2, 2, 1.0)]
    text = shown("evals", "report")
    assert "over time" in text
    assert "Janet" not in text


def test_a_drop_whose_folder_is_gone_is_still_reported(home: Path) -> None:
    answer("evals", "add", "demo", "demo.jsonl")
    publish(home, "d1", days=1, texts=[(DUCKS, PLAIN, PLAIN)], folder=False)
    (row,) = answer("evals", "report", "latest")["over_time"]
    assert (row["rows_hit"], row["rows_checked"], row["row_share"]) == (1, 0, None)


def test_a_refused_row_is_shown_and_released(home: Path) -> None:
    publish(home, "d1", days=1, texts=[(DUCKS, PLAIN, PLAIN), (PLAIN, ROBE, PLAIN)])
    listed = answer("quarantine", "list", "--reason", "contaminated", "--drop", "d1")
    assert listed["total"] == 2
    assert listed["reasons"] == [{"stage": "contamination", "reason": "contaminated", "rows": 2}]
    identifier = listed["newest"][0]["quarantine_id"]
    found = answer("quarantine", "show", identifier)
    assert found["evidence"]["matches"]
    assert found["releases"] == []
    assert "exact" in shown("quarantine", "show", identifier)
    assert answer("quarantine", "release", identifier, "--reason", "agreed with the team")["new"] is True
    assert answer("quarantine", "release", identifier, "--reason", "again")["new"] is False
    assert "agreed with the team" in shown("quarantine", "show", identifier)
    after = answer("quarantine", "list")
    assert {row["quarantine_id"]: row["released"] for row in after["newest"]}[identifier] is True


def test_help_teaches() -> None:
    text = " ".join(shown("evals", "add", "--help").split())
    assert "fewer than 8 words" in text
    assert "quarantine" in shown("evals", "report", "--help")
