"""Run a peer on a stage and compare its rows with the right answer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
from deltalake import DeltaTable

from benchmarks import processes
from benchmarks.brokers import SESSION_TIMEOUT_MS
from benchmarks.peers.environments import python_for, version
from benchmarks.peers.registry import Peer
from benchmarks.reference import HORIZON_MS, JOINED, wrong_rows
from benchmarks.stage import Loaded, Stage
from contracts import topics
from contracts.errors import TailraceError, TerminalError

PARTITIONS: Final = 4
TIMEOUT_S: Final = 150.0
KINDS: Final = {"requests": topics.REQUESTS, "signals": topics.SIGNALS, "outcomes": topics.OUTCOMES}

Result = dict[str, Any]


def compare(stage: Stage, peers: Iterable[Peer], events: int | None) -> dict[str, Result]:
    """Results by name. A peer that cannot run is in it too, with the reason.

    `events`: how many each reads; None for what each finishes in time.
    """
    results = {}
    for peer in peers:
        try:
            results[peer.name] = run(stage, peer, stage.load(events or peer.events))
        except TailraceError as error:
            results[peer.name] = {
                "title": peer.title,
                "events_per_s": None,
                "wrong_rows": None,
                "reason": str(error),
            }
        shown = results[peer.name]
        stage.progress.result(
            f"{peer.name}: {shown['events_per_s']} events/s, {shown['wrong_rows']} wrong rows"
        )
    return results


def run(stage: Stage, peer: Peer, loaded: Loaded) -> Result:
    """Measure one peer. Raises `TerminalError` when it cannot be installed, fails or does not finish."""
    stage.progress.note(f"preparing {peer.title}")
    python = python_for(peer)
    stage.progress.note(f"joining {loaded.events:,} events with {peer.title}")
    group = stage.group(peer.name)
    with tempfile.TemporaryDirectory(prefix=f"{peer.name}-", dir=stage.folder) as folder:
        output = f"{group}.rows" if peer.output == "topic" else str(Path(folder) / "rows")
        if peer.output == "topic":
            stage.broker.create([output], PARTITIONS)
        task = {
            "bootstrap_servers": stage.broker.bootstrap_servers,
            "group": group,
            "topics": {kind: loaded.names[topic] for kind, topic in KINDS.items()},
            "partitions": PARTITIONS,
            "output": output,
            "events": loaded.events,
            "horizon_ms": HORIZON_MS,
            "session_timeout_ms": SESSION_TIMEOUT_MS,
        }
        measured = processes.run(peer.module, task, timeout_s=TIMEOUT_S, python=python)
        if measured.answer["consumed"] != loaded.events:
            raise TerminalError(f"{peer.name} read {measured.answer['consumed']} of {loaded.events} events")
        stage.progress.note(f"checking the rows of {peer.title}")
        if peer.output == "topic":
            rows = last_changes(stage.broker.values(output))
        else:
            rows = pl.DataFrame(DeltaTable(output).to_pyarrow_table())
    return {
        "title": peer.title,
        "version": version(python, peer),
        "events": loaded.events,
        "events_per_s": round(loaded.events / measured.answer["seconds"]),
        "wrong_rows": wrong_rows(loaded.expected, rows.select(list(JOINED)).match_to_schema(JOINED)),
        "rows": loaded.expected.height,
        "peak_rss_mb": round(measured.peak_rss_mb),
        "cpu_s": round(measured.cpu_s, 1),
    }


class _Change(msgspec.Struct, gc=False):
    request_id: str
    signal_ids: list[str] | None = None
    outcome_ids: list[str] | None = None
    diff: int = 1
    time: int = 0


def last_changes(values: Iterable[bytes]) -> pl.DataFrame:
    """The rows that hold at the end of a log of changes.

    The last change of a request counts: the last one written, or where changes carry `diff` and `time`
    (Pathway) the one added at the latest time.
    """
    decode = msgspec.json.Decoder(_Change).decode
    last: dict[str, _Change] = {}
    for value in values:
        change = decode(value)
        if change.diff > 0 and (change.request_id not in last or change.time >= last[change.request_id].time):
            last[change.request_id] = change
    rows = [(c.request_id, c.signal_ids or [], c.outcome_ids or []) for c in last.values()]
    return pl.DataFrame(rows, schema=JOINED, orient="row")
