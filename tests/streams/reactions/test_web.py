"""The web views of a worker: liveness apart from readiness, loopback only, no secrets, faults in words."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.settings import Settings
from streams.emitter import Emitter
from streams.reactions.app import JOIN
from tests.console.leaks import PERSONAL, SENTENCES, USERS, events, held
from tests.streams.reactions.conftest import Worker, until
from tests.streams.reactions.launch import SECRET

VIEWS = ("/health", "/health/live", "/health/ready", "/status", "/metrics")


@pytest.fixture(scope="module")
def early(start: Callable[..., Worker]) -> tuple[Worker, int, int]:
    """A worker, and what it said of liveness and readiness as soon as it answered."""
    worker = start(JOIN)
    live = until(lambda: worker.get("/health/live")[0], "an answer")
    return worker, live, worker.get("/health/ready")[0]


@pytest.fixture(scope="module")
def worker(early: tuple[Worker, int, int]) -> Worker:
    until(early[0].ready, "ready")
    return early[0]


def gauge(worker: Worker, name: str) -> float:
    text = worker.get("/metrics")[1]
    (family,) = (f for f in text_string_to_metric_families(text) if f.name == name)
    return float(family.samples[0].value)


def test_a_worker_lives_before_it_is_ready(early: tuple[Worker, int, int], worker: Worker) -> None:
    _, live, ready = early
    assert (live, ready) == (200, 503)
    assert json.loads(worker.get("/health")[1]) == {"live": True, "ready": True, "problems": []}


def test_the_formats_are_what_their_readers_ask_for(worker: Worker) -> None:
    def content_type(path: str, accept: str) -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{worker.port}{path}", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.headers["Content-Type"])

    assert content_type("/metrics", "*/*").startswith("text/plain; version=0.0.4")
    assert content_type("/metrics", "application/openmetrics-text").startswith("application/openmetrics-text")
    for path in ("/status", "/health", "/health/live"):
        assert content_type(path, "*/*").startswith("application/json")


def test_only_this_machine_is_answered(worker: Worker) -> None:
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in {"127.0.0.2", *addresses} - {"127.0.0.1"}:
        with pytest.raises(OSError), socket.create_connection((str(address), worker.port), timeout=3):
            pass
    assert worker.get("/health/live")[0] == 200


def test_no_view_shows_a_setting_or_a_secret(worker: Worker, place: Settings) -> None:
    shown = {path: worker.get(path) for path in VIEWS}
    assert {code for code, _ in shown.values()} == {200}
    text = "".join(body for _, body in shown.values())
    assert SECRET not in text
    for hidden in ("api_key", "password", "bootstrap", place.kafka.bootstrap_servers, str(place.home)):
        assert hidden not in text
    for path in ("/settings", "/table/", "/graph/", "/router/", "/stats/"):
        assert worker.get(path)[0] == 404


def test_a_lake_that_is_away_is_no_reason_to_restart(worker: Worker, place: Settings, tmp_path: Path) -> None:
    """503 for readiness and status, both with the reason; liveness and metrics go on."""
    lake, away = Path(place.lake_root), tmp_path / "away"
    lake.rename(away)
    try:
        with Emitter(place.kafka.bootstrap_servers) as emitter:
            emitter.signal(session_id="s", kind="report")
        until(lambda: worker.get("/health/ready")[0] == 503, "not ready any more")
        (problem,) = json.loads(worker.get("/health/ready")[1])["problems"]
        assert problem.startswith("join: ")
        assert worker.get("/health/live")[0] == 200
        assert json.loads(worker.get("/health")[1])["live"] is True
        code, body = until(lambda: (s := worker.get("/status"))[0] == 503 and s, "status without a lake")
        assert code == 503
        assert "is not there" in json.loads(body)["problem"]
        assert json.loads(body)["join"]["consumed"] == 1
        assert gauge(worker, "tailrace_join_delayed") == 1
        assert SECRET not in body
    finally:
        if lake.exists():
            lake.rmdir()
        away.rename(lake)
    until(worker.ready, "ready again")
    until(lambda: worker.get("/status")[0] == 200, "status again")
    assert gauge(worker, "tailrace_join_delayed") == 0


def test_neither_views_nor_the_log_quote_what_people_write(worker: Worker, place: Settings) -> None:
    before = worker.status()["join"]
    with Emitter(place.kafka.bootstrap_servers) as emitter:
        for event in events():
            topic = {"signal": place.kafka.signals_topic, "outcome": place.kafka.outcomes_topic}
            kind = str(event["event_id"]).partition("-")[0]
            name = topic.get(kind, place.kafka.requests_topic)
            emitter.send_raw(name, b"session", json.dumps(event).encode())
    until(
        lambda: worker.status()["join"]["consumed"] - before["consumed"] == len(list(events())), "all is read"
    )
    until(
        lambda: worker.status()["join"]["dead_letters"] - before["dead_letters"] == len(SENTENCES),
        "what is broken is set aside",
    )
    said = {path: worker.get(path)[1] for path in VIEWS} | {"log": worker.log.read_text()}
    needles = {**PERSONAL, **{user: user for user in USERS}}
    assert {place: found for place, text in said.items() if (found := held(needles, text))} == {}
