"""A join worker in a process of its own that fails where a test wants it to.

``python -m tests.faults.worker spec.json``: builds the real `JoinWorker` and tells what it does through a
status file. Fault points exist here only, never in the product: a hook after every step of the
checkpoint protocol, and wrappers around the calls that write and commit to Delta and around the group's
callbacks.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final, NoReturn

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

import sinks.maintenance
import sinks.transactions
from contracts.errors import TailraceError
from contracts.settings import LakeSettings, Settings
from sinks.lake import Lake
from sinks.maintenance_layout import Step
from streams import join_pipeline, join_worker
from streams.identity import Identity
from streams.join_worker import JoinWorker
from streams.process import leave
from streams.source import KafkaSource
from tests.faults.process import FAILED

KEY: Final = b"fault-suite"
HELD_OUT_SHARE: Final = 0.1

_PR_SET_PDEATHSIG: Final = 1
_STATUS_S: Final = 0.05
_NEED_INTERACTIONS: Final = ("outputs", "interactions", "offsets")


class Probe:
    """Counts what happens in the worker and sends the signal when its moment has come."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.seen: Counter[str] = Counter()
        self.fenced = 0
        self.assigned = self.revoked = 0
        self.places: list[list[Any]] = []
        self.error: dict[str, str] = {}
        self.worker: JoinWorker | None = None

    def on_step(self, name: str) -> None:
        """After a step of the checkpoint; counts only when it had something to do."""
        assert self.worker is not None
        stats = self.worker.stats
        if stats.interactions if name in _NEED_INTERACTIONS else stats.consumed:
            self.reached(name)

    def reached(self, name: str) -> None:
        """A point in the code: end or pause the process here, if it is the one wanted."""
        self.seen[name] += 1
        fault = self.spec.get("fault") or {}
        if fault.get("point") == name and fault["occurrence"] == self.seen[name]:
            self.write_status()
            # To this thread: one sent to the process may stop another first, and this one goes on.
            signal.pthread_kill(threading.get_ident(), fault["signal"])

    def install(self) -> None:
        """Put wrappers around what has no hook."""
        add_rows, commit = sinks.transactions.add_rows, DeltaTable.create_write_transaction

        def append(lake: Lake, table: DeltaTable, name: str, *arguments: Any) -> None:
            self.reached(f"append:{name}")
            try:
                add_rows(lake, table, name, *arguments)
            except CommitFailedError:
                self.fenced += 1
                raise

        def watched(table: DeltaTable, *arguments: Any, **options: Any) -> None:
            self.reached(f"commit:{Path(table.table_uri).name}")
            commit(table, *arguments, **options)

        sinks.transactions.add_rows = append
        DeltaTable.create_write_transaction = watched  # type: ignore[method-assign]
        assign, revoke = KafkaSource._assigned, KafkaSource._revoked

        def assigned(source: Any, consumer: Any, places: list[Any]) -> None:
            assign(source, consumer, places)
            self.assigned += 1
            self.places = sorted([topic, partition] for topic, partition in source.positions)

        def revoked(source: Any, consumer: Any, places: list[Any]) -> None:
            revoke(source, consumer, places)
            self.revoked += 1
            self.places = sorted([topic, partition] for topic, partition in source.positions)

        KafkaSource._assigned, KafkaSource._revoked = assigned, revoked  # type: ignore[method-assign]
        join, score = join_pipeline.join, join_pipeline.score
        unjoinable, unfit = self.spec.get("breaks_join", []), self.spec.get("breaks_table", [])

        def broken_join(requests: pl.DataFrame, signals: pl.DataFrame, *rest: Any, **options: Any) -> Any:
            ids = {*requests["request_id"], *signals["event_id"]}
            if not ids.isdisjoint(unjoinable):
                raise ZeroDivisionError
            return join(requests, signals, *rest, **options)

        def broken_score(rows: pl.DataFrame, *rest: Any) -> pl.DataFrame:
            impossible = pl.when(pl.col("request_id").is_in(unfit)).then(7.0)
            return score(rows, *rest).with_columns(failure_score=impossible.otherwise("failure_score"))

        def endless_merge(lake: Lake, step: Step, _: LakeSettings) -> NoReturn:
            while True:
                self.reached("merge")
                lake.table(step.table).optimize.compact()

        if self.spec.get("merges_endlessly"):
            join_worker.LOOK_EVERY_US = sinks.maintenance.LOOK_EVERY_US = 0  # type: ignore[misc]
            sinks.maintenance.merge = endless_merge
        if unjoinable:
            join_pipeline.join = broken_join  # type: ignore[assignment]
        if unfit:
            join_pipeline.score = broken_score  # type: ignore[assignment]

    def write_status(self) -> None:
        """Tell the parent, whole or not at all."""
        stats = self.worker.stats if self.worker else None
        status = {
            "seen": dict(self.seen),
            "fenced": self.fenced,
            "assigned": self.assigned,
            "revoked": self.revoked,
            "places": self.places,
            "consumed": stats.consumed if stats else 0,
            "interactions": stats.interactions if stats else 0,
            "partitions": stats.partitions if stats else 0,
            "checkpoints": stats.checkpoints if stats else 0,
            "problem": stats.problem if stats else "",
            "peak_rss_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            "error": self.error,
        }
        path = Path(self.spec["status"])
        partial = path.with_suffix(f".{threading.get_ident()}")
        partial.write_text(json.dumps(status))
        partial.replace(path)

    def tell(self) -> None:
        """Write the status every now and then, and die at the moment the spec names."""
        after = (self.spec.get("fault") or {}).get("after_seconds")
        first = 0.0
        while True:
            self.write_status()
            if after is not None and self.worker is not None and self.worker.stats.consumed:
                first = first or time.monotonic()
                if time.monotonic() - first >= after:
                    os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(_STATUS_S)


def main(path: str) -> int:
    """Run one worker to its end; the exit code says how it went."""
    faulthandler.enable()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    spec = json.loads(Path(path).read_text())
    settings = Settings(**spec["settings"])
    for name, value in (spec.get("join_worker") or {}).items():
        setattr(join_worker, name, value)
    probe = Probe(spec)
    probe.install()
    try:
        lake = Lake(settings.lake_root, storage_options=settings.lake.storage_options)
        identity = Identity(KEY, held_out_share=HELD_OUT_SHARE)
        worker = probe.worker = JoinWorker(settings, lake, identity, on_step=probe.on_step)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        threading.Thread(target=probe.tell, daemon=True).start()
        worker.run(drain=spec["drain"])
    except TailraceError as error:
        probe.error = {"type": type(error).__name__, "message": str(error), "hint": error.hint or ""}
        logging.getLogger("tailrace").error("ended: %s (%s)", error, error.hint)
    finally:
        probe.write_status()
    return FAILED if probe.error else 0


if __name__ == "__main__":
    leave(main(sys.argv[1]))
