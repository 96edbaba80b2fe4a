"""A revocation: durable at the next checkpoint, known to the judge at once, pending rows in quarantine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from typer.testing import CliRunner

from console.main import app
from contracts.settings import Settings
from sinks.lake import Lake
from streams.emitter import Emitter
from streams.identity import Identity
from streams.reactions.app import JOIN, REACTIONS
from streams.reactions.failures import CONSENT_SCHEMA
from streams.reactions.judging import OnlineJudge
from streams.reactions.stats import ReactionStats
from tests.lakes import new_lake
from tests.streams.reactions.conftest import Worker, until
from tests.streams.reactions.launch import KEY
from tests.streams.reactions.test_budget import failures_in
from tests.streams.reactions.test_worker import fail, judged

USER = Identity(KEY, held_out_share=0.0).user_key("user-a")


@pytest.fixture(scope="module")
def worker(start: Callable[..., Worker]) -> Worker:
    running = start(JOIN, REACTIONS)
    until(running.ready, "ready")
    return running


@pytest.fixture(scope="module")
def emitter(place: Settings) -> Emitter:
    return Emitter(place.kafka.bootstrap_servers)


def held(place: Settings) -> list[str]:
    """Requests in the quarantine for a revocation, as the command line shows them."""
    listing = CliRunner().invoke(
        app,
        ["quarantine", "list", "--reason", "revoked", "--json", "--limit", "99", "--home", str(place.home)],
    )
    assert listing.exit_code == 0, listing.output
    rows: list[dict[str, Any]] = json.loads(listing.stdout)["newest"]
    assert {(row["drop_id"], row["stage"], row["released"]) for row in rows} <= {
        ("pending", "consent", False)
    }
    return sorted(row["request_ids"][0] for row in rows)


def test_what_is_pending_is_quarantined_within_seconds(
    worker: Worker, emitter: Emitter, place: Settings
) -> None:
    for name, user in (("a0", "user-a"), ("a1", "user-a"), ("b0", "user-b")):
        fail(emitter, name, user)
    emitter.flush()
    until(lambda: judged(place) >= {"a0", "a1", "b0"}, "verdicts")
    emitter.consent(user_id="user-a", scope="marketing", granted=False)
    emitter.consent(user_id="user-a", scope="training", granted=False, policy_version="v2")
    emitter.flush()
    until(lambda: held(place) == ["a0", "a1"], "the quarantine")
    stored = until(
        lambda: Lake(place.lake_root).consents().filter(scope="training").collect().to_dicts(), "bronze"
    )
    assert [(row["user_key"], row["granted"]) for row in stored] == [(USER, False)]
    evidence = Lake(place.lake_root).scan("quarantine").collect()["evidence"].to_list()
    assert all(json.loads(e)["policy_version"] == "v2" for e in evidence)
    assert worker.status()["reactions"]["quarantined"] == 2
    assert "tailrace_reactions_quarantined_total 2.0" in worker.get("/metrics")[1]


def test_what_settles_later_is_not_judged_but_quarantined(
    worker: Worker, emitter: Emitter, place: Settings
) -> None:
    fail(emitter, "a2", "user-a")
    fail(emitter, "b1", "user-b")
    emitter.flush()
    until(lambda: "b1" in judged(place), "the other user's verdict")
    until(lambda: held(place) == ["a0", "a1", "a2"], "the quarantine")
    assert "a2" not in judged(place)


def test_granting_again_leaves_the_history_and_lets_new_failures_be_judged(
    worker: Worker, emitter: Emitter, place: Settings
) -> None:
    emitter.consent(user_id="user-a", scope="training", granted=True)
    emitter.flush()
    until(lambda: worker.status()["reactions"]["consents"].get("granted"), "the grant")
    fail(emitter, "a3", "user-a")
    emitter.flush()
    until(lambda: "a3" in judged(place), "the verdict")
    assert held(place) == ["a0", "a1", "a2"]


def test_a_worker_that_dies_before_the_quarantine_leaves_it_to_the_next(
    worker: Worker, emitter: Emitter, place: Settings, start: Callable[..., Worker]
) -> None:
    table, aside = Path(place.lake_root) / "quarantine", Path(place.home) / "aside"
    shutil.move(table, aside)
    emitter.consent(user_id="user-b", scope="training", granted=False)
    emitter.flush()
    # It has noted the revocation, and cannot write what follows from it.
    assert worker.process.wait(30) == 1
    assert "error: table quarantine is missing" in worker.log.read_text()
    shutil.move(aside, table)
    again = start(REACTIONS)
    until(lambda: held(place) == ["a0", "a1", "a2", "b0", "b1"], "the quarantine")
    assert again.stop() == 0
    assert Lake(place.lake_root).scan("quarantine").collect()["quarantine_id"].is_unique().all()


def test_the_judge_quarantines_what_it_refuses_for_a_revocation(tmp_path: Path) -> None:
    lake = new_lake(tmp_path / "lake")
    owners = ["u", "u", "v"]
    failures = [
        msgspec.structs.replace(failure, user_key=owner)
        for failure, owner in zip(failures_in(lake, ["no r0", "no r1", "no r2"]), owners, strict=True)
    ]
    now = datetime.now(UTC)
    changes = pl.DataFrame(
        [("u", "training", False, "v2", now), ("v", "training", True, "v2", now)],
        schema=CONSENT_SCHEMA,
        orient="row",
    )
    stats = ReactionStats()
    judge = OnlineJudge(Settings(home=tmp_path), lake, stats)
    for _ in range(2):
        judge.judge(failures, changes)
    assert sum(stats.verdicts.values()) == 2
    assert stats.skipped == {"consent_revoked": 4}
    rows = lake.scan("quarantine").collect()
    assert stats.quarantined == rows.height == 2
    assert sorted(ids[0] for ids in rows["request_ids"]) == ["r0", "r1"]
    assert rows["reason"].unique().to_list() == ["revoked"]
