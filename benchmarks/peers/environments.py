"""An environment for each peer, so that its pins neither change what Tailrace runs on nor the other way.

The versions are those of the optional dependency group `bench` in pyproject.toml.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Final

from benchmarks.peers.registry import Peer
from benchmarks.processes import ROOT
from contracts.errors import TerminalError

_INSTALL_S: Final = 900
_TAIL_CHARS: Final = 500


def cache_folder() -> Path:
    """Where environments are kept between runs: BENCHMARK_ENVIRONMENTS, else the user's cache."""
    named = os.environ.get("BENCHMARK_ENVIRONMENTS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else cache / "tailrace-benchmarks"


def requirement(package: str) -> str:
    """The line of the group `bench` for a distribution. Raises `TerminalError` when there is none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in project["optional-dependencies"].get("bench", []):
        if re.split(r"[\[<>=!~ ;]", line, maxsplit=1)[0] == package:
            return str(line)
    raise TerminalError(f"the dependency group bench of pyproject.toml does not name {package}")


def python_for(peer: Peer) -> Path:
    """The interpreter a peer runs with; makes its environment when it is not there yet.

    Raises `TerminalError` with the installer's last words when the framework cannot be installed here.
    """
    return Path(sys.executable) if peer.package is None else python_with(peer.package)


def python_with(package: str, *more: str) -> Path:
    """The interpreter of an environment that has these distributions; made when it is not there yet.

    Raises `TerminalError` with the installer's last words when they cannot be installed here.
    """
    wanted = [requirement(name) for name in (package, *more)]
    tag = hashlib.sha256(f"{' '.join(wanted)} {sys.version}".encode()).hexdigest()[:12]
    folder = cache_folder() / f"{package}-{tag}"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--prefer-binary",
        *wanted,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
        problem = done.stderr.strip()[-_TAIL_CHARS:] if done.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"not installed within {_INSTALL_S} s"
    if problem:
        shutil.rmtree(folder, ignore_errors=True)
        raise TerminalError(f"{', '.join(wanted)} cannot be installed here: {problem}")
    (folder / "ready").touch()
    return python


def version(python: Path, peer: Peer) -> str:
    """Installed version of a peer's framework."""
    if peer.package is None:
        return ""
    code = f"import importlib.metadata as m; print(m.version({peer.package!r}))"
    return subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
