"""Run the `tailrace` command as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

from tests.warm.process import CHECKOUT, WarmProcess


def tailrace(*arguments: str | Path, cwd: Path, timeout: float = 240, **environment: str) -> Any:
    """A finished process of `tailrace …` with text output, working in `cwd`."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TAILRACE_")}
    command = [str(argument) for argument in arguments]
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = WarmProcess(
            "console",
            command,
            cwd=cwd,
            environment={**inherited, "PYTHONPATH": str(CHECKOUT), "COLUMNS": "160", **environment},
            stdout=stdout,
            stderr=stderr,
        )
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        texts = [_text(stream) for stream in (stdout, stderr)]
    return subprocess.CompletedProcess(["tailrace", *command], code, *texts)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


def answer(process: Any) -> Any:
    """The JSON value a successful command printed."""
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def one_clear_line(process: Any) -> str:
    """The error line of a failed command, which must not be a traceback."""
    assert process.returncode not in (0, 2), process.stdout
    assert "Traceback" not in process.stderr
    lines = [line for line in process.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, process.stderr
    assert any(line.strip().startswith("→") for line in process.stderr.splitlines()), process.stderr
    return str(lines[0])
