"""OpenLineage events of builds: valid by the published schema, to a file or a server, never in the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.errors import SettingsError, TerminalError
from contracts.settings import CurationSettings, LineageSettings, Settings
from curation.judge.base import make_judge
from curation.nightly import make_drop
from sinks.drops.checks import Check, ChecksFailed
from sinks.openlineage import BuildRun, Emitter
from tests.curation.dialogues import edited
from tests.lakes import ingest, new_lake


def build(tmp_path: Path) -> BuildRun:
    return BuildRun(
        job="drop.default",
        drop_id="20260301-abc",
        as_of=datetime(2026, 3, 1, tzinfo=UTC),
        inputs={"requests": 3, "interactions": 7},
        lake_root="s3://bucket/lake",
        drops_root=tmp_path / "drops",
        files={"preference.parquet": {"rows": 12, "bytes": 345}},
        checks=[Check("unique", True, "0", "0")],
    )


def emitter(tmp_path: Path, **lineage: Any) -> Emitter:
    settings = Settings(home=tmp_path, lineage=LineageSettings(**lineage))
    return Emitter.from_settings(settings, code_version="1.2.3")


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_starts_and_completes_with_versions_counts_and_checks(tmp_path: Path) -> None:
    with emitter(tmp_path).run(build(tmp_path)):
        pass
    start, complete = events(tmp_path / "drops" / "openlineage.jsonl")
    assert [start["eventType"], complete["eventType"]] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert complete["job"]["name"] == "drop.default"
    assert {
        (i["namespace"], i["name"], i["facets"]["version"]["datasetVersion"]) for i in complete["inputs"]
    } == {("s3://bucket", "interactions", "7"), ("s3://bucket", "requests", "3")}
    (output,) = complete["outputs"]
    assert output["namespace"] == "file"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 12
    assert output["facets"]["version"]["datasetVersion"] == "20260301-abc"
    assert output["facets"]["dataQualityAssertions"]["assertions"][0]["success"] is True


def test_a_failed_run_says_why_without_the_words_of_others(tmp_path: Path) -> None:
    for error in (TerminalError("the lake is gone"), ValueError("a user's text")):
        with pytest.raises(type(error)), emitter(tmp_path).run(build(tmp_path)):
            raise error
    told = events(tmp_path / "drops" / "openlineage.jsonl")
    assert [e["eventType"] for e in told] == ["START", "FAIL"] * 2
    messages = [e["run"]["facets"]["errorMessage"]["message"] for e in told if e["eventType"] == "FAIL"]
    assert messages == ["the lake is gone", "ValueError"]


def test_a_drop_that_fails_its_checks_tells_which_of_each_file(tmp_path: Path) -> None:
    checks = (
        Check("sft.roles_alternate", success=False, expected="0 rows", actual="2 of 9 rows"),
        Check("openai/sft.json_lines", success=True, expected="0 rows", actual="0 of 9 rows"),
    )
    files = {"sft/train.parquet": {"rows": 9}, "openai/sft/train.jsonl": {"rows": 9}}
    with pytest.raises(ChecksFailed), emitter(tmp_path).run(build(tmp_path)):
        raise ChecksFailed("rows 1, 2", checks, files, hint="look")
    fail = events(tmp_path / "drops" / "openlineage.jsonl")[-1]
    assert fail["eventType"] == "FAIL"
    told = {
        output["name"].partition("drop.default/")[2]: [
            (found["assertion"], found["success"])
            for found in output["facets"]["dataQualityAssertions"]["assertions"]
        ]
        for output in fail["outputs"]
    }
    assert told == {
        "sft/train.parquet": [("sft.roles_alternate", False)],
        "openai/sft/train.jsonl": [("openai/sft.json_lines", True)],
    }


@contextmanager
def server(status: int) -> Iterator[tuple[str, list[tuple[str, str | None, bytes]]]]:
    heard: list[tuple[str, str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.append((self.path, self.headers.get("authorization"), body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}", heard
    finally:
        httpd.shutdown()
        thread.join()


def test_a_server_gets_them_with_its_key(tmp_path: Path) -> None:
    with server(201) as (url, heard):
        lineage = emitter(tmp_path, transport="http", url=url, api_key=SecretStr("k-1"))
        with lineage.run(build(tmp_path)):
            pass
    assert [(path, key) for path, key, _ in heard] == [("/api/v1/lineage", "Bearer k-1")] * 2
    assert json.loads(heard[1][2])["eventType"] == "COMPLETE"


@pytest.mark.parametrize("status", [400, 401])
def test_a_server_that_refuses_stops_no_build(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with server(status) as (url, heard), emitter(tmp_path, transport="http", url=url).run(build(tmp_path)):
        pass
    assert len(heard) >= 2
    assert "was not delivered" in caplog.text


def test_nobody_is_told_when_it_is_off(tmp_path: Path) -> None:
    with emitter(tmp_path, transport="off").run(build(tmp_path)):
        pass
    assert not (tmp_path / "drops").exists()


def test_a_server_without_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"lineage\.url"):
        emitter(tmp_path, transport="http", url="localhost:5000")


def test_a_real_build_tells_what_it_read_and_wrote(tmp_path: Path) -> None:
    lake = new_lake(tmp_path / "lake")
    ingest(lake, edited("a"))
    settings = Settings(home=tmp_path, curation=CurationSettings(control_share=0.0, validation_share=0.0))
    judge = make_judge(settings.judge, curation=settings.curation)
    result = make_drop(lake, settings.drops_root, settings, judge, now_us=1_900_000_000_000_000)
    start, complete = events(settings.drops_root / "openlineage.jsonl")
    assert start["eventType"] == "START"
    read = {i["name"]: int(i["facets"]["version"]["datasetVersion"]) for i in complete["inputs"]}
    assert read["interactions"] == lake.version("interactions")
    rows = {
        o["name"].split("/", 2)[2]: o["outputFacets"]["outputStatistics"]["rowCount"]
        for o in complete["outputs"]
    }
    assert rows["preference/train.parquet"] == result.preference_rows == 1
    # built before: nothing is read or written, so nothing is told
    make_drop(lake, settings.drops_root, settings, judge, now_us=1_900_000_000_000_001)
    assert len(events(settings.drops_root / "openlineage.jsonl")) == 2
