"""Programs that are killed while they publish a drop or erase a person. Run in processes of their own.

They are forked from a server that has imported everything and done nothing (`multiprocessing`'s fork server),
so that a process costs milliseconds and starts with no thread of any library running.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from contracts.settings import CurationSettings, LineageSettings, RetentionSettings, Settings
from curation.erasure.place import Place, Subject
from curation.erasure.run import erase
from curation.judge.base import make_judge
from curation.nightly import make_drop
from sinks.lake import Lake
from streams.identity import Identity

IDENTITY: Final = Identity(b"test", held_out_share=0.0)
NOW_US: Final = 1_900_000_000_000_000
DEADLINE_S: Final = 90.0
"""Not a measurement: how long a test waits before it says that something hangs."""

CHANGES: Final = frozenset(
    {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "shutil.rmtree"}
)
"""Audit events of the interpreter that change files, besides opening one for writing."""


@dataclass(frozen=True)
class Fault:
    """When a process is killed.

    `step`: right after a named step, for the nth time. `change`: right before the nth change of a file that
    Python makes. `after`: so many seconds after its first change, from outside.
    """

    step: str = ""
    occurrence: int = 1
    change: int = 0
    after: float = 0.0

    def __str__(self) -> str:
        if self.step:
            return f"{self.step}-{self.occurrence}"
        return f"change-{self.change}" if self.change else f"after-{self.after:.3f}s"


NONE: Final = Fault()

for _late in (
    *("openlineage.client.event_v2", "openlineage.client.facet_v2", "openlineage.client.transport.file"),
    *("pyarrow.dataset", "rensa", "tokenizers"),
):
    # What is imported late would be imported by every process anew.
    importlib.import_module(_late)


def settings_of(home: Path) -> Settings:
    """Settings of a home in these tests; lineage events go to a file below it."""
    return Settings(
        home=home,
        curation=CurationSettings(control_share=0.0, near_duplicate=1.0),
        retention=RetentionSettings(grace_seconds=0),
        lineage=LineageSettings(transport="file", file=str(home / "lineage.jsonl")),
    )


def lake_of(home: Path) -> Lake:
    """The lake of a home, as a process opens it that knows nothing yet."""
    return Lake(home / "lake", hashes=lambda: IDENTITY)


def publish(home: Path, step: Callable[[str], None]) -> str:
    """Build and publish a drop of what the lake holds."""
    settings = settings_of(home)
    judge = make_judge(settings.judge, curation=settings.curation)
    return make_drop(lake_of(home), settings.drops_root, settings, judge, now_us=NOW_US, step=step).drop_id


def erase_user(home: Path, step: Callable[[str], None]) -> str:
    """Erase the person of these tests."""
    place = Place(lake_of(home), settings_of(home), IDENTITY, clock_us=lambda: NOW_US, step=step)
    done = erase(place, Subject(IDENTITY.user_key(USER), USER))
    return done.certificate["erasure_id"] if done.absent else ""


USER: Final = "user-anna-0001"
PROGRAMS: Final = {"publish": publish, "erase": erase_user}


@dataclass(frozen=True)
class Ended:
    """How a process ended: `code` is negative for a signal. `steps` it told, `changes` of files it made, and
    `seconds` from the first change to its end; these only of one that ended by itself."""

    code: int
    answer: str = ""
    steps: tuple[str, ...] = ()
    changes: int = 0
    seconds: float = 0.0

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.code == -signal.SIGKILL


_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload([__name__])


def run(program: str, home: Path, fault: Fault = NONE) -> Ended:
    """Run a program on a home, until its end or its fault. Fails when it hangs or ends with an error."""
    ours, theirs = _server.Pipe(duplex=False)
    process = _server.Process(target=_child, args=(program, str(home), fault, theirs))
    process.start()
    theirs.close()
    told: dict[str, Any] = {}
    try:
        while ours.poll(DEADLINE_S):
            message = ours.recv()
            if message == "begun":
                process.join(fault.after)
                process.kill()
                break
            told = message
    except EOFError:
        # It has ended, one way or the other.
        pass
    process.join(DEADLINE_S)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"{program} hangs ({fault})")
    code = process.exitcode
    assert code in (0, -signal.SIGKILL), f"{program} ended with {code} ({fault}): {told.get('error')}"
    return Ended(int(code), **{k: v for k, v in told.items() if k != "error"} if code == 0 else {})


def _child(program: str, home: str, fault: Fault, parent: Connection) -> None:
    import time

    steps: list[str] = []
    changes, first = 0, 0.0

    def step(name: str) -> None:
        steps.append(name)
        if name == fault.step and steps.count(name) == fault.occurrence:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal changes, first
        if not _changes(event, arguments, home):
            return
        changes += 1
        if changes == 1:
            first = time.monotonic()
            if fault.after:
                parent.send("begun")
        if changes == fault.change:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    try:
        answer = PROGRAMS[program](Path(home), step)
    except BaseException as error:
        parent.send({"error": repr(error)})
        raise
    parent.send(
        {
            "answer": answer,
            "steps": tuple(steps),
            "changes": changes,
            "seconds": time.monotonic() - first,
        }
    )


def _changes(event: str, arguments: tuple[Any, ...], home: str) -> bool:
    """Whether an audit event changes files of the home; a build's lock and its texts are nobody else's."""
    if event == "open":
        path, _, flags = arguments
        if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return False
    elif event in CHANGES:
        path = arguments[0]
    else:
        return False
    name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    return name.startswith(home) and ".build.lock" not in name and ".texts-" not in name
