"""One process of a join fleet: a join worker, its reports to the fleet and the fleet's commands to it."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final

from contracts.errors import TailraceError
from contracts.settings import Settings
from curation.scoring import ScoreModel
from sinks.lake import Lake
from streams.discreet import DiscreetFormatter
from streams.identity import Identity
from streams.join_pipeline import JoinStats
from streams.join_worker import JoinWorker
from streams.process import leave

CLOSE: Final = "close"
STOP: Final = "stop"
REPORT_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Report:
    """What a member says of itself. `drained`: it has its share, has read it all and closed every window."""

    stats: JoinStats = field(default_factory=JoinStats)
    drained: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A member's last word; `message` is empty after a clean end."""

    message: str = ""
    hint: str = ""
    report: Report | None = None


def serve(pipe: Connection, settings: Settings, lake: Lake, identity: Identity, model: ScoreModel) -> None:
    """Run a join worker until told to stop, or until the other end of the pipe is gone; ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt reaches the whole group; the fleet decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    handler = logging.StreamHandler()
    handler.setFormatter(DiscreetFormatter("%(asctime)s %(levelname)s %(processName)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    try:
        worker = JoinWorker(settings, lake, identity, model=model)
        done = threading.Event()
        control = threading.Thread(target=_control, args=(pipe, worker, done), daemon=True)
        control.start()
        worker.run()
        done.set()
        control.join()
        ended = Ended(report=Report(worker.stats, worker.drained))
    except TailraceError as error:
        ended = Ended(str(error), error.hint or "")
    except Exception as error:
        logging.getLogger("tailrace.join").exception("the join ended")
        ended = Ended(f"a join process ended: {type(error).__name__}", "The log above says where.")
    with suppress(OSError):
        pipe.send(ended)
    pipe.close()
    leave()


def _control(pipe: Connection, worker: JoinWorker, done: threading.Event) -> None:
    while not done.is_set():
        try:
            pipe.send(Report(worker.stats, worker.drained))
            while pipe.poll(REPORT_SECONDS):
                command = pipe.recv()
                if command == CLOSE:
                    worker.close_windows()
                elif command == STOP:
                    worker.stop()
        except (EOFError, OSError):
            worker.stop()
            return
