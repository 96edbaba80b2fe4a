"""The benchmarks run end to end on a few thousand events and say what they promise to say."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import catch_up, flat, memory, tables
from benchmarks.join import measure
from benchmarks.processes import ROOT
from benchmarks.progress import Progress
from contracts.errors import TerminalError
from infra.broker import broker_binary


@pytest.fixture(scope="module", autouse=True)
def _broker_is_there() -> None:
    try:
        broker_binary()
    except TerminalError as error:
        pytest.skip(f"no embedded broker here: {error}")


@pytest.fixture
def progress() -> Iterator[Progress]:
    with Progress(quiet=True) as quiet:
        yield quiet


def test_the_join_benchmark_gives_its_keys_and_right_rows(progress: Progress) -> None:
    arguments = argparse.Namespace(
        engine="tansu",
        events=5_000,
        runs=1,
        processes=2,
        no_plain=False,
        peers="handwritten",
        peer_events=4_000,
    )
    result = measure(arguments, progress)
    assert json.loads(json.dumps(result)) == result
    assert result["events"] == pytest.approx(5_000, rel=0.01)
    assert result["wrong_rows"] == 0 < result["interactions"]
    for key in ("read_events_per_s", "events_per_s", "without_exactly_once_events_per_s", "peak_rss_mb"):
        assert result[key] > 0, key
    assert result["ratio"] == pytest.approx(result["events_per_s"] / result["read_events_per_s"], rel=0.05)
    assert {"cpu_s", "exactly_once_cost", "broker_cpu_s"} <= result.keys()
    peer = result["peers"]["handwritten"]
    assert peer["wrong_rows"] == 0 < peer["events_per_s"]
    text = "".join(f"<!-- results: {part} -->\nold\n<!-- /results -->\n" for part in tables.RENDERED)
    written = tables.rewrite(text, {"join": result})
    assert f"{result['events_per_s']:,}" in written
    assert written.count("old") == len(tables.RENDERED) - 2


@pytest.mark.faults
def test_a_cut_off_worker_is_succeeded_without_a_wrong_row(progress: Progress) -> None:
    result = catch_up.measure("tansu", 4_000, 2.0, progress)
    assert result["wrong_rows"] == 0
    # So few events are read at once: the cut may come after the last one, never after what is committed.
    assert 0 < result["read_again"] <= result["read_before_the_cut"] <= result["events"]
    assert result["times_real_time"] > 0


def test_memory_counts_what_is_open(progress: Progress) -> None:
    (row,) = memory.measure([2_000], progress)["memory"]
    assert row["open_requests"] == 2_000
    assert row["held_rows"] > 8_000
    assert row["rss_mb"] > 50


def test_the_cost_of_each_part_of_a_run() -> None:
    course = [(0, 1.0), (0, 2.0), (50, 2.5), (100, 4.5), (100, 5.0)]
    assert flat.work_s(course) == 3.0
    # The last part also takes what came after the last event.
    assert flat.per_part(course, 100, 2) == pytest.approx([0.5 / 50 * 1e6, 2.5 / 50 * 1e6])


def test_an_unknown_peer_is_refused_with_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.join", "--peers", "nosuch"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 1
    assert "unknown peer nosuch" in done.stderr
    assert "bytewax" in done.stderr
    assert not done.stdout


def test_the_readme_has_a_place_for_every_result() -> None:
    text = Path(ROOT, "benchmarks", "README.md").read_text()
    for part in tables.RENDERED:
        assert text.count(f"<!-- results: {part} -->\n") == 1
    assert text.count("<!-- /results -->") == len(tables.RENDERED)
