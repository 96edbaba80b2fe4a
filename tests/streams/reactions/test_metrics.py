"""The metrics as Prometheus reads them: parsed by its own client, named by its conventions."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from prometheus_client import openmetrics, parser
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from contracts.settings import NightlySettings
from sinks.nightly_runs import FAILED, PUBLISHED, RUNNING, Run
from streams.join_pipeline import JoinStats
from streams.reactions.metrics import StatsCollector
from streams.reactions.nights import Overview, overview
from streams.reactions.stats import ReactionStats

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
NIGHTS = (
    Run(datetime(2026, 11, 25, 2, 30, tzinfo=UTC), "default", 1, PUBLISHED, True, "w", NOW.replace(day=25)),
    Run(datetime(2026, 11, 26, 2, 30, tzinfo=UTC), "default", 1, FAILED, False, "w", NOW.replace(minute=40)),
    Run(datetime(2026, 11, 26, 2, 30, tzinfo=UTC), "default", 2, RUNNING, False, "w", NOW),
)

UNITS = ("seconds", "bytes", "usd", "ratio")
"""Of what our metrics measure, spelled out and in base units; counts of things have none."""

SHORT = re.compile(r"_(ms|us|ns|s|sec|secs|seconds?_ago|minutes?|hours?|kb|mb|gb|pct|percent)(_|$)")


def scheduled() -> Overview:
    return overview(NIGHTS, NOW, NightlySettings(enabled=True))


def everything() -> StatsCollector:
    """Every metric with every label used once."""
    join = JoinStats()
    join.redactions["email"] = 1
    join.watermarks[0] = 1
    stats = ReactionStats()
    for counts in vars(stats).values():
        if isinstance(counts, dict):
            counts["some"] = 1
    return StatsCollector(lambda: join, stats, scheduled)


@pytest.fixture(scope="module")
def text() -> str:
    return everything().exposition()[0].decode()


@pytest.fixture(scope="module")
def families(text: str) -> list[Metric]:
    return list(parser.text_string_to_metric_families(text))


def test_every_family_is_described_typed_and_unique(text: str, families: list[Metric]) -> None:
    names = [family.name for family in families]
    assert len(names) == len(set(names)) > 20
    for family in families:
        assert family.documentation.strip(), family.name
        assert family.type in ("counter", "gauge"), family.name
    assert text.count("# HELP ") == text.count("# TYPE ") == len(families)


def test_names_follow_the_conventions(text: str, families: list[Metric]) -> None:
    for family in families:
        assert re.fullmatch(r"(tailrace|process)_[a-z0-9_]+", family.name)
        assert not SHORT.search(family.name), family.name
        assert not re.search(r"_(counter|gauge|total)$", family.name), family.name
        for unit in UNITS:
            assert unit not in family.name or family.name.endswith(unit), family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
            assert all(re.fullmatch(r"[a-z_]+", label) for label in sample.labels)
    typed = dict(re.findall(r"# TYPE (\S+) (\S+)", text))
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in typed.items())


def test_unix_times_are_named_timestamps(families: list[Metric]) -> None:
    recent = 1_600_000_000
    moments = {f.name for f in families for s in f.samples if s.value > recent and "bytes" not in f.name}
    moments.discard("process_start_time_seconds")
    assert moments
    assert all(name.endswith("_timestamp_seconds") for name in moments)


def test_openmetrics_is_spoken_to_who_accepts_it() -> None:
    body, content_type = everything().exposition(
        "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    )
    assert content_type.startswith(openmetrics.exposition.CONTENT_TYPE_LATEST.split(";")[0])
    assert "tailrace_build" in {family.name for family in parse_openmetrics(body.decode())}
    assert everything().exposition("text/html")[1].startswith("text/plain; version=0.0.4")


def test_the_build_names_its_version(families: list[Metric]) -> None:
    (build,) = (family for family in families if family.name == "tailrace_build_info")
    (sample,) = build.samples
    assert sample.value == 1
    assert {"version", "python"} == sample.labels.keys()


def test_the_schedule_is_visible(families: list[Metric]) -> None:
    values = {
        (sample.name.removeprefix("tailrace_nightly_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if family.name.startswith("tailrace_nightly_")
    }
    assert values[("last_success_timestamp_seconds",)] == NOW.replace(day=25).timestamp()
    assert values[("next_timestamp_seconds",)] == datetime(2026, 11, 27, 2, 30, tzinfo=UTC).timestamp()
    assert values[("last_night_timestamp_seconds",)] == NIGHTS[-1].night.timestamp()
    assert values[("heartbeat_timestamp_seconds",)] == NOW.timestamp()
    assert values[("failed_attempts",)] == 1
    assert {tuple(state) for (name, *state), value in values.items() if name == "state" and value} == {
        ("running",)
    }


def test_a_worker_without_reactions_says_nothing_about_them() -> None:
    text = StatsCollector(JoinStats, None).exposition()[0].decode()
    assert "tailrace_join_" in text
    assert "tailrace_reactions_" not in text
    assert "tailrace_nightly_" not in text
