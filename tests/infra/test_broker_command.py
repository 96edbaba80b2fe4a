"""`tailrace broker`: says where it listens, ends cleanly on Ctrl-C and SIGTERM, teaches."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers import APACHE_KAFKA, TANSU, need_apache_kafka, need_tansu
from tests.console.commands import CHECKOUT, one_clear_line, tailrace
from tests.infra.waiting import answers


@pytest.mark.runs_on("Tansu and Apache Kafka, by the command")
@pytest.mark.parametrize(
    ("engine", "number"), [(TANSU, signal.SIGINT), (TANSU, signal.SIGTERM), (APACHE_KAFKA, signal.SIGINT)]
)
def test_it_runs_until_interrupted(engine: str, number: signal.Signals) -> None:
    need_apache_kafka() if engine == APACHE_KAFKA else need_tansu()
    name = {"apache-kafka": "kafka"}.get(engine, engine)
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "broker", "--engine", name, "--port", "0"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        found = re.search(r" on 127\.0\.0\.1:(\d+) ", process.stdout.readline())
        assert found, process.stderr.read()
        port = int(found.group(1))
        advice = process.stderr.readline()
        assert f"TAILRACE_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:{port}" in advice
        assert answers(port)
        if engine == TANSU:  # the line is the last thing before it waits for the signal
            assert "SESSION_TIMEOUT" in process.stderr.readline()
        process.send_signal(number)
        assert process.wait(30) in (0, 130)
        assert "Traceback" not in process.stderr.read()
        assert not answers(port)
    finally:
        process.kill()
        process.communicate()


def test_what_is_not_offered_is_one_clear_error(tmp_path: Path) -> None:
    assert "one broker" in one_clear_line(tailrace("broker", "--brokers", "3", cwd=tmp_path))
    two = tailrace("broker", "--engine", "kafka", "--brokers", "2", cwd=tmp_path)
    assert "2 brokers" in one_clear_line(two)


def test_no_java_is_one_clear_error_with_a_way_out(tmp_path: Path) -> None:
    failed = tailrace("broker", "--engine", "kafka", cwd=tmp_path, PATH=str(tmp_path), JAVA_HOME="")
    assert "no Java" in one_clear_line(failed)
    assert "tailrace broker" in failed.stderr


def test_the_help_says_what_each_engine_is_for(tmp_path: Path) -> None:
    text = tailrace("broker", "--help", cwd=tmp_path).stdout
    for words in ("--engine", "tansu|kafka", "--brokers", "Java 17", "docs/brokers.md", "--brokers 3"):
        assert words in text
