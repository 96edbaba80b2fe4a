"""The Java runtime and Maven of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contracts.errors import TerminalError

LEAST_JAVA: Final = 17
_HINT: Final = (
    "On Debian or Ubuntu: apt-get install default-jre-headless maven. Or use the embedded broker "
    "(`tailrace broker`), which needs no Java."
)
# Java and log4j read these; a developer's shell must not reconfigure the broker.
_FOREIGN: Final = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "LOG4J_", "KAFKA_")


def java() -> Path:
    """The `java` of JAVA_HOME, else of PATH.

    Raises `TerminalError` when there is none, it does not run, or it is older than `LEAST_JAVA`.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    found = found or shutil.which("java")
    if found is None:
        raise TerminalError(f"Apache Kafka needs Java {LEAST_JAVA} and there is no Java here", hint=_HINT)
    try:
        answer = subprocess.run(  # noqa: S603 - the person's own Java
            [found, "-version"], capture_output=True, text=True, timeout=30, check=False, env=environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TerminalError(f"{found} does not run: {type(error).__name__}", hint=_HINT) from None
    version = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    if answer.returncode != 0 or version is None:
        raise TerminalError(f"{found} -version does not say its version", hint=_HINT)
    if int(version.group(1)) < LEAST_JAVA:
        raise TerminalError(
            f"Apache Kafka needs Java {LEAST_JAVA}, {found} is Java {version.group(1)}",
            hint=f"Install a newer one and point JAVA_HOME at it. {_HINT}",
        )
    return Path(found)


def maven() -> Path:
    """The `mvn` of PATH. Raises `TerminalError` when there is none."""
    found = shutil.which("mvn")
    if found is None:
        raise TerminalError("Maven, which fetches Apache Kafka's jars, is not here", hint=_HINT)
    return Path(found)


def environment() -> Mapping[str, str]:
    """This process's environment without what would reconfigure a broker."""
    return {k: v for k, v in os.environ.items() if not k.upper().startswith(_FOREIGN)}
