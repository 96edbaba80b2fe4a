"""`tailrace audit` and `tailrace models` over a real drop."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contracts.settings import CurationSettings, Settings
from curation.judge.base import make_judge
from curation.nightly import make_drop
from streams.identity import Identity
from tests.console.commands import answer, one_clear_line, tailrace
from tests.curation.dialogues import edited, regenerated
from tests.factories import consent_event
from tests.lakes import ingest, new_lake

KEY = "test"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    home = tmp_path_factory.mktemp("home")
    lake = new_lake(home / "lake")
    ingest(lake, edited("a") + regenerated("b"))
    settings = Settings(home=home, curation=CurationSettings(control_share=0.0))
    judge = make_judge(settings.judge, curation=settings.curation)
    result = make_drop(lake, settings.drops_root, settings, judge, now_us=1_900_000_000_000_000)
    gone = consent_event("gone", seconds=500, user_id="user-a", granted=False, scope="training")
    ingest(lake, [("consent", gone)], first_offset=100)
    return home, result.drop_id


def run(home: Path, *arguments: str) -> Any:
    return tailrace(*arguments, "--home", home, cwd=home, TAILRACE_PRIVACY__PSEUDONYM_KEY=KEY)


def test_revoked_consent_names_rows_drops_and_models(place: tuple[Path, str]) -> None:
    home, drop = place
    command = ("models", "register", "--drop", drop, "--base-model", "base-7b", "--adapter", "support")
    model = answer(run(home, *command, "--json"))
    assert model["new"] is True
    assert answer(run(home, *command, "--json")) == {**model, "new": False}
    found = answer(run(home, "audit", "consent", "--revoked", "--json"))
    user_key = Identity(KEY.encode(), held_out_share=0).user_key("user-a")
    assert [(r["drop_id"], r["user_key"]) for r in found["rows"]] == [(drop, user_key)]
    assert [m["model_id"] for m in found["models"]] == [model["model_id"]]
    shown = run(home, "audit", "consent", "--revoked")
    assert shown.returncode == 0
    assert found["rows"][0]["example_id"] in shown.stdout
    one = answer(run(home, "audit", "example", found["rows"][0]["example_id"], "--json"))
    assert [m["model_id"] for m in one["models"]] == [model["model_id"]]
    assert run(home, "audit", "example", found["rows"][0]["example_id"]).returncode == 0
    person = answer(run(home, "audit", "user", "user-a", "--json"))
    assert person["user_key"] == user_key
    assert person["drops"] == [{"drop_id": drop, "rows": 1}]
    (impact,) = answer(run(home, "models", "impact", "--base-model", "base-8b", "--json"))
    assert impact["drop_id"] == drop
    assert [(c["purpose"], c["command"]) for c in impact["commands"]] == [
        ("reproduce", f"tailrace drops rebuild {drop}"),
        (
            "replace",
            "TAILRACE_CURATION__TARGET_FAMILY=base-8b TAILRACE_CURATION__CHANNEL=default tailrace drop",
        ),
    ]
    assert answer(run(home, "models", "impact", "--base-model", "base-7b", "--json")) == []
    assert [m["model_id"] for m in answer(run(home, "models", "list", "--json"))] == [model["model_id"]]


@pytest.mark.parametrize("by", ["licence", "source", "synthetic", "fingerprint", "judge"])
def test_shares_add_up(place: tuple[Path, str], by: str) -> None:
    home, drop = place
    found = answer(run(home, "audit", "drop", "--by", by, "--json"))
    assert found["drop_id"] == drop
    assert sum(s["share"] for s in found["shares"]) == pytest.approx(1)


def test_an_untouched_history_verifies_and_a_touched_one_does_not(place: tuple[Path, str]) -> None:
    home, drop = place
    whole = answer(run(home, "audit", "verify", "--json"))
    assert (whole["ok"], whole["drops"], whole["problems"]) == (True, 1, [])
    assert len(whole["head"]) == 64
    file = home / "drops" / drop / "provenance.parquet"
    before = file.read_bytes()
    try:
        pl.read_parquet(file).head(1).write_parquet(file)
        touched = run(home, "audit", "verify")
    finally:
        file.write_bytes(before)
    assert touched.returncode == 1
    assert "provenance.parquet: its bytes changed" in touched.stdout


def test_a_drop_that_the_registry_does_not_know_shows(place: tuple[Path, str]) -> None:
    """A removed row breaks no chain when it was the newest; pointer and folder tell of it."""
    home, drop = place
    pointer, stray = home / "drops" / "LATEST", home / "drops" / "20200101-x"
    before = pointer.read_text()
    try:
        shutil.copytree(home / "drops" / drop, stray)
        found = run(home, "audit", "verify")
        pointer.write_text(stray.name)
        pointed = json.loads(run(home, "audit", "verify", "--json").stdout)
    finally:
        pointer.write_text(before)
        shutil.rmtree(stray)
    assert found.returncode == 0
    assert "20200101-x is in no registry row" in " ".join(found.stderr.split())
    assert pointed["unregistered"] == ["20200101-x"]
    assert pointed["problems"] == ["LATEST: names 20200101-x, which is no registered drop"]


def test_a_person_reads_whole_ids_and_every_value(place: tuple[Path, str]) -> None:
    home, drop = place
    listed = run(home, "drops", "list").stdout
    assert drop in listed
    example = pl.read_parquet(home / "drops" / drop / "provenance.parquet")["example_id"][0]
    shown = run(home, "audit", "example", example).stdout
    lines = [line.split("│") for line in shown.splitlines() if line.startswith("│")]
    values = {cells[1].strip(): cells[2].strip() for cells in lines}
    assert values["drops"] == drop
    assert values["verdict"] == "fail"


def test_an_unknown_drop_is_refused(place: tuple[Path, str]) -> None:
    home, _ = place
    assert "20200101-x" in one_clear_line(
        run(home, "models", "register", "--drop", "20200101-x", "--base-model", "b")
    )
