"""`tailrace judge calibrate`, `epochs`, `tasks`, `label`, `anchors` and `drift` as a person runs them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.responses import Response

from curation.judge.routing import ROUTED_SCHEMA
from curation.judge.tasks import write_tasks
from sinks.lake import Lake
from tests.console.commands import answer, one_clear_line, tailrace
from tests.curation.dialogues import asked, did
from tests.curation.judge.opinions import write_jsonl
from tests.curation.judge.server import FakeServer, Host, hosted
from tests.lakes import ingest, new_lake

SECRET = "the secret of the user"


class Opinionated(FakeServer):
    """Says fail of the items it is told to (`item-<n>`), pass of the others."""

    failing: frozenset[int] = frozenset()

    async def answer(self, fault: str, body: dict[str, Any], request: Any) -> Response:
        found = re.search(r"item-(\d+)", body["messages"][1]["content"])
        failed = found is not None and int(found[1]) in self.failing
        self.good = {
            **self.good,
            "verdict": "fail" if failed else "pass",
            "failure_kind": "factual" if failed else None,
            "severity": 3 if failed else None,
        }
        return await super().answer(fault, body, request)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosted() as started:
        yield started


@pytest.fixture
def server(host: Host) -> Opinionated:
    host.server = server = Opinionated(base_url=host.base_url)
    return server


@pytest.fixture
def judged_by(server: Opinionated) -> dict[str, str]:
    return {
        "TAILRACE_JUDGE__KIND": "openai",
        "TAILRACE_JUDGE__BASE_URL": server.base_url,
        "TAILRACE_JUDGE__MODEL": "fake",
        "TAILRACE_JUDGE__INPUT_USD_PER_MILLION": "1",
        "TAILRACE_JUDGE__OUTPUT_USD_PER_MILLION": "1",
    }


def gold_file(folder: Path, count: int) -> Path:
    """Items of no lake: the even ones failed."""
    rows = [
        {
            "request_id": f"g{n}",
            "prompt": f"item-{n} {SECRET}",
            "response": "Order 4711.",
            "label": "pass" if n % 2 else "fail",
        }
        for n in range(count)
    ]
    return write_jsonl(folder / "gold.jsonl", rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lake = new_lake(tmp_path / "tailrace-home" / "lake")
    ingest(
        lake,
        [
            event
            for n in range(4)
            for event in asked(f"{n}", prompt=f"item-{n} {SECRET}") + did(f"{n}", "regenerate")
        ],
    )
    rows = [
        {
            "request_id": f"request-{n}",
            "user_key": "u",
            "feature": "search",
            "failure_score": 0.8,
            "reason": "judge_unsure",
            "epoch": "e",
            "verdict": "unsure",
        }
        for n in range(4)
    ]
    assert write_tasks(lake, pl.DataFrame(rows, schema=ROUTED_SCHEMA), now_us=1) == 4
    return tmp_path


def test_a_judge_that_is_right_passes_without_any_lake(
    tmp_path: Path, server: Opinionated, judged_by: dict[str, str]
) -> None:
    server.failing = frozenset(range(0, 60, 2))
    gold = gold_file(tmp_path, 60)
    found = answer(tailrace("judge", "calibrate", "--gold", gold, "--json", cwd=tmp_path, **judged_by))
    assert (found["state"], found["judge"], found["gold"]["items"]) == ("passed", "openai:fake", 60)
    report = found["report"]
    assert report["comparison"]["matrix"] == [[30, 0], [0, 30]]
    assert report["comparison"]["cohen_kappa"]["value"] == 1.0
    assert report["comparison"]["baseline"]["share"] == 0.5
    assert report["spent"]["calls"] == len(server.requests) == 60
    (epoch,) = answer(tailrace("judge", "epochs", "--json", cwd=tmp_path, **judged_by))
    assert (epoch["verdicts"], epoch["fail"], epoch["calibration"]["state"]) == (60, 30, "passed")
    again = tailrace("judge", "calibrate", "--gold", gold, cwd=tmp_path, **judged_by)
    assert again.returncode == 0, again.stderr
    assert len(server.requests) == 60
    assert "passed: κ 1.00" in again.stdout
    assert SECRET not in again.stdout + again.stderr
    shown = tailrace("judge", "epochs", cwd=tmp_path, **judged_by)
    assert f"{epoch['epoch']} *" in shown.stdout


def test_a_judge_that_is_wrong_does_not_and_is_told_what_to_do(
    tmp_path: Path, server: Opinionated, judged_by: dict[str, str]
) -> None:
    server.failing = frozenset(range(0, 60, 4))
    process = tailrace("judge", "calibrate", "--gold", gold_file(tmp_path, 60), cwd=tmp_path, **judged_by)
    assert process.returncode == 1, process.stderr
    assert "did not pass: κ 0.50 is below 0.6" in process.stdout
    assert "change the rubric" in process.stderr
    assert "Traceback" not in process.stderr


def test_too_few_labels_cannot_tell(tmp_path: Path, server: Opinionated, judged_by: dict[str, str]) -> None:
    server.failing = frozenset(range(0, 60, 2))
    gold = gold_file(tmp_path, 60)
    process = tailrace("judge", "calibrate", "--gold", gold, "--limit", "10", cwd=tmp_path, **judged_by)
    assert process.returncode == 1
    assert "cannot be told yet: 10 items compared, and judge.min_gold asks for 50" in process.stdout
    assert "judge tasks --export" in process.stderr
    few = tailrace(
        "judge",
        "calibrate",
        "--gold",
        gold,
        "--json",
        cwd=tmp_path,
        **judged_by,
        TAILRACE_JUDGE__MAX_CALLS="5",
    )
    assert few.returncode == 1
    found = json.loads(few.stdout)
    # ten are cached, five more were allowed
    assert (found["state"], found["report"]["compared"]) == ("not_enough", 15)
    assert found["report"]["unjudged"] == {"budget": 45}


def test_without_labels_there_is_nothing_to_measure_against(folder: Path, judged_by: dict[str, str]) -> None:
    process = tailrace("judge", "calibrate", cwd=folder, **judged_by)
    assert "no gold labels" in one_clear_line(process)


def test_the_loop_from_tasks_to_a_calibrated_judge_closes(
    folder: Path, server: Opinionated, judged_by: dict[str, str]
) -> None:
    server.failing = frozenset({0, 2})
    exported = folder / "todo.jsonl"
    listed = answer(tailrace("judge", "tasks", "--export", exported, "--json", cwd=folder))
    assert (listed["total"], listed["exported"], listed["status"]) == (4, 4, {"open": 4})
    assert SECRET not in json.dumps(listed)
    rows = [json.loads(line) for line in exported.read_text().splitlines()]
    assert all(SECRET in row["messages"][0]["content"] for row in rows)
    for row in rows[:3]:
        row |= {"label": "fail" if row["request_id"] in ("request-0", "request-2") else "pass"}
    labelled = write_jsonl(folder / "done.jsonl", rows)

    refused = tailrace("judge", "label", labelled, cwd=folder)
    assert "does not say who labelled it" in one_clear_line(refused)
    found = answer(tailrace("judge", "label", labelled, "--rater", "ann", "--json", cwd=folder))
    assert found == {
        "new": 3,
        "unchanged": 0,
        "unlabelled": 1,
        "gold": 3,
        "withdrawn": 0,
        "tied": 0,
        "tasks_left": 1,
    }
    left = tailrace("judge", "tasks", cwd=folder)
    assert left.returncode == 0
    assert "1 requests to label" in left.stdout
    assert SECRET not in left.stdout + left.stderr

    for source in ([], ["--gold", str(labelled)]):
        measured = tailrace("judge", "calibrate", *source, "--json", cwd=folder, **judged_by)
        value = json.loads(measured.stdout)
        assert (value["state"], value["report"]["compared"]) == ("not_enough", 3)
        assert value["report"]["comparison"]["accuracy"]["value"] == 1.0
    # the file and the tables name the same gold, and the second time nothing was asked
    assert len(server.requests) == 3
    hashes = Lake(folder / "tailrace-home" / "lake").scan("calibrations").collect()["gold_hash"]
    assert hashes.n_unique() == 1


def test_a_model_that_changed_behind_its_name_is_found(
    tmp_path: Path, server: Opinionated, judged_by: dict[str, str]
) -> None:
    server.failing = frozenset(range(0, 40, 2))
    added = answer(
        tailrace("judge", "anchors", "add", gold_file(tmp_path, 40), "--json", cwd=tmp_path, **judged_by)
    )
    assert added == {"new": 40, "anchors": 40, "set_aside": {}}
    first = answer(tailrace("judge", "drift", "--json", cwd=tmp_path, **judged_by))
    assert (first["state"], first["noise"]["value"]) == ("baseline", 0.0)
    steady = answer(tailrace("judge", "drift", "--json", cwd=tmp_path, **judged_by))
    assert (steady["state"], steady["compared"], steady["right_now"]["value"]) == ("steady", 40, 1.0)
    assert len(server.requests) == 40 * 3

    server.failing = frozenset(range(0, 20, 2))
    drifted = tailrace("judge", "drift", cwd=tmp_path, **judged_by)
    assert drifted.returncode == 1
    assert "has drifted" in drifted.stdout
    assert "fail → pass" in drifted.stdout
    assert "100% at first, 75% now" in drifted.stderr
    (epoch,) = answer(tailrace("judge", "epochs", "--json", cwd=tmp_path, **judged_by))
    assert (epoch["drift"]["state"], epoch["drift"]["flips"]) == ("drifted", 0.25)
    listed = tailrace("judge", "anchors", "list", cwd=tmp_path)
    assert SECRET not in listed.stdout


def test_anchors_from_gold_and_from_nowhere(folder: Path, judged_by: dict[str, str]) -> None:
    nothing = tailrace("judge", "anchors", "add", "--from-gold", "4", cwd=folder)
    assert "no labelled items" in one_clear_line(nothing)
    labels = [
        {"request_id": f"request-{n}", "label": "fail" if n else "pass", "rater": "ann"} for n in range(4)
    ]
    answer(tailrace("judge", "label", write_jsonl(folder / "l.jsonl", labels), "--json", cwd=folder))
    found = answer(tailrace("judge", "anchors", "add", "--from-gold", "2", "--json", cwd=folder))
    assert found["new"] == 2
    rows = answer(tailrace("judge", "anchors", "list", "--json", cwd=folder))
    assert sorted(row["label"] for row in rows) == ["fail", "pass"]
    assert {row["feature"] for row in rows} == {"search"}
    both = tailrace("judge", "anchors", "add", cwd=folder)
    assert both.returncode == 2
