"""Java, Maven and the cache of jars: clear errors, one fetch, never a half one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.errors import TerminalError, TransientError
from infra.kafka import jars as module
from infra.kafka.jars import cache_folder, jars, version
from infra.kafka.java import java

CHECKOUT = Path(__file__).parents[2]
# What Maven is asked for: -Djars=FOLDER is the last argument.
FETCHES = """
for last; do :; done
echo fetch >> "$FETCHES"
folder="${last#-Djars=}"
mkdir -p "$folder"
echo half > "$folder/kafka_2.13-0.jar"
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and `tools` first in PATH for made-up commands."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FETCHES", str(tmp_path / "fetches"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


def command(place: Path, name: str, script: str) -> None:
    tool = place / "tools" / name
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def left_in(cache: Path) -> list[str]:
    return sorted(p.name for p in (cache / "cache" / "tailrace").iterdir() if p.is_dir())


def test_no_java_or_maven_is_one_clear_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cache / "tools"))
    for needed in (java, jars):
        with pytest.raises(TerminalError, match=r"Java|Maven") as raised:
            needed()
        assert "apt-get install default-jre-headless maven" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("""echo 'openjdk version "11.0.2" 2019-01-15' >&2""", "is Java 11"),
        ("echo 'java version \"1.8.0_202\"' >&2", "is Java 1"),
        ("exit 3", "does not say"),
        ("echo what >&2", "does not say"),
    ],
)
def test_an_unfit_java_is_named(cache: Path, script: str, words: str) -> None:
    command(cache, "java", script)
    with pytest.raises(TerminalError, match=words) as raised:
        java()
    assert raised.value.hint


def test_java_home_comes_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(cache, "java", "exit 3")
    home = cache / "home"
    home.mkdir()
    command(home, "java", "echo 'openjdk version \"21\" 2023-09-19' >&2")
    (home / "tools").rename(home / "bin")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java() == home / "bin" / "java"


def test_fetched_once_then_kept(cache: Path) -> None:
    command(cache, "mvn", FETCHES)
    told: list[bool] = []
    folder = jars(on_fetch=lambda: told.append(True))
    assert folder.parent == cache_folder() == cache / "cache" / "tailrace"
    assert version() in folder.name
    assert [p.name for p in folder.iterdir()] == ["kafka_2.13-0.jar"]
    assert jars(on_fetch=lambda: told.append(True)) == folder
    assert told == [True]
    assert (cache / "fetches").read_text() == "fetch\n"
    assert left_in(cache) == [folder.name]


def test_another_pom_is_another_set(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(cache, "mvn", FETCHES)
    first = jars()
    changed = cache / "pom.xml"
    changed.write_text(module.POM.read_text().replace(version(), "9.9.9"))
    monkeypatch.setattr(module, "POM", changed)
    assert jars() != first
    assert "9.9.9" in jars().name


def test_a_failed_fetch_says_why_and_leaves_nothing(cache: Path) -> None:
    command(cache, "mvn", f"{FETCHES}\necho 'no route to the registry'; exit 1")
    with pytest.raises(TransientError, match="no route to the registry") as raised:
        jars()
    assert raised.value.hint
    assert left_in(cache) == []
    command(cache, "mvn", FETCHES)
    assert jars().is_dir()


def test_a_fetch_that_brought_no_broker_is_a_failure(cache: Path) -> None:
    command(cache, "mvn", "exit 0")
    with pytest.raises(TransientError, match="failed"):
        jars()
    assert left_in(cache) == []


def test_a_slow_fetch_ends(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(cache, "mvn", f"{FETCHES}\nexec sleep 60")
    monkeypatch.setattr(module, "FETCH_SECONDS", 0.5)
    with pytest.raises(TransientError, match="longer than"):
        jars()
    assert left_in(cache) == []


def test_what_a_killed_fetch_left_is_not_used(cache: Path) -> None:
    command(cache, "mvn", FETCHES)
    folder = jars()
    half = folder.rename(folder.with_name(f"{folder.name}.partial-x"))
    assert jars() == folder
    assert not half.exists()
    assert (cache / "fetches").read_text() == "fetch\n" * 2


def test_two_processes_fetch_once(cache: Path) -> None:
    command(cache, "mvn", f"sleep 0.3\n{FETCHES}\nsleep 0.3\necho whole > $folder/kafka_2.13-0.jar")
    code = "from infra.kafka.jars import jars; print(*[p.read_text() for p in jars().iterdir()])"
    both = [
        subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == ["whole", "whole"]
    assert (cache / "fetches").read_text() == "fetch\n"


def test_a_cache_that_cannot_be_written_is_one_clear_error(cache: Path) -> None:
    command(cache, "mvn", FETCHES)
    (cache / "cache").write_text("a file where the folder should be")
    with pytest.raises(TerminalError, match="cannot be written") as raised:
        jars()
    assert "XDG_CACHE_HOME" in (raised.value.hint or "")
