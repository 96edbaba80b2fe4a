"""`tailrace score` and `tailrace settle --rescore` as a person runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.weights import read_weights
from sinks.lake import Lake
from tests.console.commands import answer, one_clear_line, tailrace
from tests.curation.dialogues import asked, did, edited
from tests.lakes import ingest, new_lake
from tests.simulated_lakes import simulated_lake

SECRET = "The capital of Australia is Canberra, said nobody but me."


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    simulated_lake(folder / "tailrace-home")
    return folder


@pytest.fixture
def folder(simulated: Path, tmp_path: Path) -> Path:
    shutil.copytree(simulated, tmp_path, dirs_exist_ok=True)
    return tmp_path


def fit(folder: Path, *arguments: str, labels: str = "tailrace-home/truth.jsonl") -> Any:
    options = ["--label-column", "bad", "--true-means", "fail"] if labels.endswith(".jsonl") else []
    return tailrace("score", "fit", "--labels", labels, *options, *arguments, cwd=folder)


def test_a_fit_comes_into_force_and_the_lake_is_rescored(folder: Path) -> None:
    found = answer(fit(folder, "--json"))
    version = found["version"]
    score = folder / "tailrace-home" / "score"
    assert sorted(p.name for p in score.iterdir()) == sorted(
        [f"{version}.json", f"{version}.svg", "weights.json"]
    )
    assert read_weights(score / "weights.json").version == version
    kept = json.loads((score / "weights.json").read_text())["fit"]
    assert kept["measures"] == found["measures"]
    assert kept["data_until"] == found["data_until"]
    assert (score / f"{version}.svg").read_text().startswith("<svg xmlns=")

    again = answer(tailrace("settle", "--rescore", "--json", cwd=folder))
    lake = Lake(folder / "tailrace-home" / "lake")
    assert again["score_version"] == version
    assert again["rescored"] == lake.interactions().collect().height
    assert lake.interactions().collect()["score_version"].unique().to_list() == [version]
    assert answer(fit(folder, "--json"))["compared_with"] == version


def test_a_fit_for_people_says_what_it_did(folder: Path) -> None:
    process = fit(folder, labels="outcomes")
    assert process.returncode == 0, process.stderr
    for words in ("calibration error", "Reliability", "rephrase chain", "Coverage", "priors"):
        assert words in process.stdout
    assert "is in force" in process.stderr
    assert "warning: " in process.stderr


def test_a_dry_run_writes_nothing_and_out_puts_nothing_in_force(folder: Path) -> None:
    assert answer(fit(folder, "--dry-run", "--json"))["written"] == []
    assert not (folder / "tailrace-home" / "score").exists()
    found = answer(fit(folder, "--out", "mine/w.json", "--json"))
    assert found["written"] == ["mine/w.json", "mine/w.svg"]
    assert read_weights(folder / "mine" / "w.json").version == found["version"]
    assert not (folder / "tailrace-home" / "score").exists()


def test_a_refused_fit_replaces_nothing(folder: Path) -> None:
    before = answer(fit(folder, "--json"))["version"]
    truth = pl.read_ndjson(folder / "tailrace-home" / "truth.jsonl")
    shuffled = truth.with_columns(truth["bad"].sample(fraction=1, shuffle=True, seed=3))
    shuffled.write_ndjson(folder / "shuffled.jsonl")
    assert "no better than chance" in one_clear_line(fit(folder, labels="shuffled.jsonl"))
    assert read_weights(folder / "tailrace-home" / "score" / "weights.json").version == before


def test_labels_that_cannot_be_used_end_in_one_clear_line(folder: Path) -> None:
    (folder / "few.csv").write_text("request_id,label\nnobody,fail\n")
    assert "does not hold" in one_clear_line(fit(folder, labels="few.csv"))
    assert "too few labels" in one_clear_line(fit(folder, "--skip-unknown", labels="few.csv"))
    assert "too few labels" in one_clear_line(fit(folder, labels="gold"))
    assert "not a file" in one_clear_line(fit(folder, labels="missing.csv"))
    assert ".json" in one_clear_line(fit(folder, "--out", "w.txt"))


def test_weights_that_cannot_be_used_stop_what_would_score_by_them(folder: Path) -> None:
    score = folder / "tailrace-home" / "score"
    score.mkdir()
    (score / "weights.json").write_text("{}")
    assert "no weights file" in one_clear_line(tailrace("settle", cwd=folder))


@pytest.fixture
def dialogue(tmp_path: Path) -> Path:
    lake = new_lake(tmp_path / "tailrace-home" / "lake")
    odd = asked("odd", feature="[red]x[/]") + did("odd", "copy")
    ingest(lake, edited("a", SECRET) + did("a", "rating", value=5, seconds=12) + odd)
    return tmp_path


def test_a_score_is_explained_without_the_users_words(dialogue: Path) -> None:
    process = tailrace("score", "explain", "request-a", cwd=dialogue)
    assert process.returncode == 0, process.stderr
    for words in ("prior", "edit", "+10 s", f"{len(SECRET)} characters, corrective", "evidence disagrees"):
        assert words in process.stdout
    assert "Not observed" in process.stdout
    found = answer(tailrace("score", "explain", "request-a", "--json", cwd=dialogue))
    assert {step["signal"] for step in found["steps"]} == {"edit", "rating"}
    assert found["revisions"][0]["score_version"] == found["score_version"]
    assert "nobody but me" not in process.stdout + json.dumps(found)


def test_the_users_words_are_shown_when_asked_for(dialogue: Path) -> None:
    assert SECRET in tailrace("score", "explain", "request-a", "--show-text", cwd=dialogue).stdout
    found = answer(tailrace("score", "explain", "request-a", "--show-text", "--json", cwd=dialogue))
    assert SECRET in json.dumps(found)


def test_names_are_printed_as_they_are(dialogue: Path) -> None:
    assert "[red]x[/]" in tailrace("score", "explain", "request-odd", cwd=dialogue).stdout


def test_an_unknown_request_is_said_so(dialogue: Path) -> None:
    assert "no request nobody" in one_clear_line(tailrace("score", "explain", "nobody", cwd=dialogue))
