"""The broker's jars: resolved once with Maven from `pom.xml`, kept in the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from contracts.errors import TerminalError, TransientError
from infra.kafka.java import maven
from infra.supervised import Supervised

POM: Final = Path(__file__).with_name("pom.xml")
FETCH_SECONDS: Final = 600.0
_PARTIAL: Final = ".partial-"


def version() -> str:
    """The Apache Kafka version that `pom.xml` names."""
    found = re.search(r"<kafka\.version>([^<]+)</kafka\.version>", POM.read_text(encoding="utf-8"))
    if found is None:
        raise TerminalError(f"{POM.name} names no kafka.version", hint="Restore infra/kafka/pom.xml.")
    return found.group(1).strip()


def cache_folder() -> Path:
    """Where jars are kept: `$XDG_CACHE_HOME/tailrace`, else `~/.cache/tailrace`."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG rules: a relative path is to be ignored.
    return (Path(root) if Path(root).is_absolute() else Path.home() / ".cache") / "tailrace"


def jars(*, on_fetch: Callable[[], None] | None = None) -> Path:
    """The folder of jars for this `pom.xml`; fetched when it is not there, `on_fetch` called first.

    Only whole sets are ever seen: Maven writes to a folder beside it that is renamed at the end. Two
    processes do not fetch at the same time: the second waits and finds the jars there.
    Raises `TerminalError` without Maven or with an unwritable cache, `TransientError` when Maven fails
    (no network, a registry that is down), with the end of what it printed.
    """
    content = POM.read_bytes()
    wanted = cache_folder() / f"apache-kafka-{version()}-{hashlib.sha256(content).hexdigest()[:12]}"
    if wanted.is_dir():
        return wanted
    command = maven()
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        with _locked(wanted.parent / "apache-kafka.lock"):
            if not wanted.is_dir():
                if on_fetch is not None:
                    on_fetch()
                _fetch(command, wanted)
    except OSError as error:
        raise TerminalError(
            f"the cache folder {wanted.parent} cannot be written: {error.strerror or error}",
            hint="Make it writable, or set XDG_CACHE_HOME.",
        ) from None
    return wanted


def _fetch(command: Path, wanted: Path) -> None:
    # We hold the lock: what another process left half-done is rubbish.
    for leftover in wanted.parent.glob(f"*{_PARTIAL}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f"{wanted.name}{_PARTIAL}", dir=wanted.parent))
    try:
        log, target = work / "maven.log", work / "jars"
        process = Supervised(
            # -C: a file whose checksum is wrong fails the build instead of warning.
            [command, "-B", "-q", "-C", "-Dstyle.color=never", "-f", POM, "package", f"-Djars={target}"],
            folder=work,
            log=log,
            env=os.environ,
            grace_seconds=1.0,
        )
        try:
            code = process.wait(FETCH_SECONDS)
        finally:
            process.stop()
        if code != 0 or not any(target.glob("kafka_*.jar")):
            said = _essence(process.tail()) or "nothing"
            what = f"took longer than {FETCH_SECONDS:.0f} s" if code is None else f"failed (exit code {code})"
            raise TransientError(
                f"fetching Apache Kafka's jars {what}; Maven said:\n{said}",
                hint="Maven needs Maven Central or a mirror of it (~/.m2/settings.xml); try again.",
            )
        target.rename(wanted)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _essence(output: str) -> str:
    """What Maven said without its advice on reading more about it."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    lines = [line.removeprefix("[ERROR]").strip() for line in plain.splitlines()]
    advice = ("[Help", "To see the full", "Re-run Maven", "For more information")
    return "\n".join(line for line in lines if line and not line.startswith(advice))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """An exclusive lock that a dead process lets go by itself."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
