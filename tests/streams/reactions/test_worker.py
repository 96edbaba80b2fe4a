"""One worker, both roles, against a real broker: join, judge, consent, poison, web views, stop."""

from __future__ import annotations

import time
from collections.abc import Callable

import polars as pl
import pytest

from contracts import topics
from contracts.settings import Settings
from curation.judge.base import make_judge
from curation.nightly import make_drop
from sinks.lake import Lake
from streams.emitter import Emitter
from streams.reactions.app import JOIN, REACTIONS
from tests.streams.reactions.conftest import Worker, until


@pytest.fixture(scope="module")
def worker(start: Callable[..., Worker]) -> Worker:
    running = start(JOIN, REACTIONS)
    until(lambda: running.get("/health/live")[0] == 200, "live")
    until(running.ready, "ready")
    return running


@pytest.fixture(scope="module")
def emitter(place: Settings) -> Emitter:
    return Emitter(place.kafka.bootstrap_servers)


def fail(emitter: Emitter, name: str, user: str) -> None:
    emitter.request(
        request_id=name,
        session_id=f"session-{name}",
        user_id=user,
        feature="support",
        prompt=f"where is order {name}",
        response=f"order {name} is lost",
        consent={"scopes": ["training"]},
    )
    emitter.signal(session_id=f"session-{name}", request_id=name, kind="report")


def judged(place: Settings) -> set[str]:
    return set(Lake(place.lake_root).scan("judgments").collect()["request_id"].to_list())


def test_failures_are_joined_and_judged(worker: Worker, emitter: Emitter, place: Settings) -> None:
    for i in range(5):
        fail(emitter, f"a{i}", f"user-{i}")
    emitter.flush()
    until(lambda: judged(place) >= {f"a{i}" for i in range(5)}, "verdicts in the lake")
    rows = Lake(place.lake_root).scan("judgments").collect()
    assert rows["verdict"].unique().to_list() == ["fail"]
    assert rows["content_hash"].n_unique() == rows.height


def test_poison_neither_stops_nor_loses_what_follows(
    worker: Worker, emitter: Emitter, place: Settings
) -> None:
    for value in (b"{not json", b'{"request_id": 5}', None, b"\xff\xfe"):
        emitter.send_raw(topics.FAILURES, b"k", value)
    emitter.send_raw(place.kafka.consents_topic, b"k", b"[]")
    fail(emitter, "b0", "user-b")
    emitter.flush()
    until(lambda: "b0" in judged(place), "the failure behind the poison")
    seen = until(
        lambda: (
            (r := worker.status()["reactions"])["poison"].get(topics.FAILURES) == 4
            and sum(r["dead_letters"].values()) >= 5
            and r
        ),
        "dead letters, those of the join included",
    )
    assert {"malformed_json", "schema", "tombstone", "invalid_utf8"} <= seen["dead_letters"].keys()
    assert seen["consents"]["invalid"] == 1
    assert worker.ready()


def test_a_revocation_stops_judging_of_that_user(worker: Worker, emitter: Emitter, place: Settings) -> None:
    emitter.consent(user_id="user-c", scope="training", granted=False)
    emitter.flush()
    until(lambda: worker.status()["reactions"]["consents"].get("revoked"), "the revocation")
    fail(emitter, "c0", "user-c")
    fail(emitter, "c1", "user-d")
    emitter.flush()
    until(lambda: "c1" in judged(place), "the other user's verdict")
    until(lambda: worker.status()["reactions"]["skipped"].get("consent_revoked"), "the refusal")
    assert "c0" not in judged(place)


def test_web_views_tell_the_truth(worker: Worker) -> None:
    for path in ("/health", "/health/live", "/health/ready"):
        assert worker.get(path)[0] == 200
    status = until(lambda: (s := worker.status())["events"]["pending"] == 0 and s, "nothing pending")
    events = status["events"]
    assert events["consumed"] == sum(v for k, v in events.items() if k != "consumed")
    assert status["interactions"] == 8
    assert {"watermark", "lag"} <= status.keys()
    code, metrics = worker.get("/metrics")
    assert code == 200
    assert "tailrace_join_interactions_total 8.0" in metrics
    assert 'tailrace_reactions_verdicts_total{verdict="fail"} 7.0' in metrics
    assert worker.get("/table/")[0] == 404


def test_stops_on_sigterm_with_everything_durable(worker: Worker, place: Settings) -> None:
    assert worker.stop() == 0
    assert "Traceback" not in worker.log.read_text()
    assert Lake(place.lake_root).interactions().select(pl.len()).collect().item() == 8


def test_the_nightly_build_pays_no_verdict_twice(worker: Worker, place: Settings) -> None:
    lake = Lake(place.lake_root)
    before = lake.scan("judgments").collect()
    judge = make_judge(place.judge, curation=place.curation)
    make_drop(lake, place.drops_root, place, judge, now_us=time.time_ns() // 1_000)
    after = lake.scan("judgments").collect()
    assert after["content_hash"].n_unique() == after.height
    assert after.filter(pl.col("verdict") == "fail").height == before.height
