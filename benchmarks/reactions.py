"""Online judging under load: failures through the real Faust agent, against what their judge could do alone.

    python -m benchmarks.reactions [--per-minute 5000] [--seconds 60] [--latency 0.3] [--json]

A lake with texts, a broker with `tailrace.failures`, an endpoint that answers after `latency` seconds in a
process of its own, one worker with the reactions. Three measurements, one after the other:

- ceiling: the same questions through the judge's asker alone: no Kafka, no Faust, no lake;
- sustained: failures offered at an even rate; the lag is offered minus done (stored in `judgments`), sampled
  every half second, and `lag_growth_per_s` the slope of a line through it, start-up left out;
- highest: a backlog worked off as fast as it goes.

At the end every failure must have one row in `judgments`, one call at the endpoint, and a committed offset.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
from confluent_kafka import Consumer, Producer, TopicPartition
from pydantic import SecretStr

from benchmarks import command
from benchmarks.brokers import SESSION_TIMEOUT_MS, reader_options, started
from benchmarks.curation_lake import make_lake
from benchmarks.processes import ROOT, cpu_seconds
from benchmarks.progress import Progress
from contracts import topics as names
from contracts.errors import TerminalError
from contracts.settings import JoinSettings, JudgeSettings, KafkaSettings, Settings, WebSettings
from infra.ports import free_port
from sinks.lake import Lake
from streams import topics
from streams.outputs import PRODUCED

_PARTITIONS: Final = 4
_SAMPLE_S: Final = 0.5
_TICK_S: Final = 0.05
_START_UP_S: Final = 10.0
"""Left out of the slope: the judge finds out how many calls the endpoint bears."""
_CEILING_QUESTIONS: Final = 2_000
_DEADLINE_S: Final = 300.0
_PER_FAILURE: Final = 1.6
"""Interactions of the made lake per failure that may be judged, rather too many."""


@dataclass
class Load:
    """A running worker, what it is asked to judge, and how far it is."""

    settings: Settings
    failures: Sequence[tuple[str, bytes]]
    worker: subprocess.Popen[bytes]
    sent: int = 0
    samples: list[tuple[float, int, int]] = field(default_factory=list)

    def done(self) -> int:
        """Failures with a verdict in the lake, by the worker's own count."""
        url = f"http://{self.settings.web.host}:{self.settings.web.port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return 0
        counted = [line for line in text.splitlines() if line.startswith("tailrace_reactions_verdicts_total")]
        return sum(round(float(line.rsplit(" ", 1)[1])) for line in counted)

    def send(self, producer: Producer, until: int) -> None:
        """Send failures up to a number of them."""
        for session, value in self.failures[self.sent : until]:
            producer.produce(names.FAILURES, key=session, value=value)
        producer.poll(0)
        self.sent = until

    def wait(self, until: int) -> float:
        """Wait until so many are done; returns the moment (seconds)."""
        deadline = time.perf_counter() + _DEADLINE_S
        while self.done() < until:
            if self.worker.poll() is not None:
                raise TerminalError(f"the worker ended with {self.worker.returncode}")
            if time.perf_counter() > deadline:
                raise TerminalError(f"only {self.done()} of {until} failures were judged in time")
            time.sleep(_SAMPLE_S / 5)
        return time.perf_counter()


def measure(
    engine: str, per_minute: int, seconds: float, latency_s: float, concurrency: int, progress: Progress
) -> dict[str, Any]:
    """Ceiling, sustained, highest; then the count."""
    offered = round(per_minute * seconds / 60)
    backlog = min(per_minute, 5_000)
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as home, started(engine) as broker:
        progress.note("a lake with texts")
        lake = make_lake(Path(home) / "lake", round((offered + backlog) * _PER_FAILURE))
        with double(latency_s) as endpoint:
            settings = Settings(
                home=Path(home),
                kafka=KafkaSettings(
                    bootstrap_servers=broker.bootstrap_servers,
                    session_timeout_ms=SESSION_TIMEOUT_MS,
                    partitions=_PARTITIONS,
                ),
                judge=JudgeSettings(
                    kind="openai",
                    base_url=endpoint,
                    api_key=SecretStr("none"),
                    model="double",
                    concurrency=concurrency,
                    online_calls_per_hour=1_000_000,
                ),
                web=WebSettings(port=free_port()),
            )
            topics.apply(settings.kafka, JoinSettings())
            progress.note("ceiling: the asker alone")
            ceiling = asker_alone(settings)
            failures = failures_of(lake, offered + backlog)
            called = calls(endpoint)
            with reactions(settings) as worker:
                load = Load(settings, failures, worker)
                sustained = offer(load, offered, seconds, progress)
                progress.note(f"highest: a backlog of {backlog:,}")
                highest = work_off(load, backlog)
                committed = committed_offsets(settings)
            rows = lake.scan("judgments").select("epoch", "content_hash", "request_id").collect()
            called = calls(endpoint) - called
    wrong = abs(called - len(failures)) + abs(committed - len(failures)) + abs(rows.height - len(failures))
    wrong += rows.height - rows["content_hash"].n_unique()
    return {
        "engine": engine,
        "latency_s": latency_s,
        "concurrency": concurrency,
        "possible_per_s": round(concurrency / latency_s),
        "ceiling_per_s": round(ceiling["judged"] / ceiling["seconds"], 1),
        "ceiling_cpu_ms": round(1000 * ceiling["cpu_s"] / ceiling["judged"], 2),
        **sustained,
        **highest,
        "ratio": round(highest["highest_per_s"] * ceiling["seconds"] / ceiling["judged"], 2),
        "failures": len(failures),
        "wrong": wrong,
    }


def offer(load: Load, offered: int, seconds: float, progress: Progress) -> dict[str, Any]:
    """Send at an even rate and watch the lag."""
    producer = _producer(load.settings)
    # The first failure is judged once the worker has its partitions: the clock starts then.
    load.send(producer, 1)
    producer.flush(30)
    load.wait(1)
    progress.note(f"sustained: {offered:,} failures in {seconds:.0f} s")
    cpu, began = cpu_seconds(load.worker.pid), time.perf_counter()
    stop = threading.Event()
    sampler = threading.Thread(target=_sample, args=(load, stop, began), daemon=True)
    sampler.start()
    while load.sent < offered:
        due = int((time.perf_counter() - began) / seconds * (offered - 1)) + 1
        load.send(producer, min(due, offered))
        time.sleep(_TICK_S)
    stop.set()
    sampler.join()
    lasted = time.perf_counter() - began
    producer.flush(30)
    drained = load.wait(offered) - began - lasted
    steady = [(at, sent - done) for at, sent, done in load.samples if at >= min(_START_UP_S, seconds / 3)]
    lags = [lag for _, lag in steady]
    slope = statistics.linear_regression([at for at, _ in steady], lags).slope
    return {
        "offered_per_s": round((offered - 1) / lasted, 1),
        "offered_seconds": round(lasted, 1),
        "lag_median": round(statistics.median(lags)),
        "lag_highest": max(lags),
        "lag_growth_per_s": round(slope, 2),
        "lag_by_tenth": _tenths(lags),
        "drained_after_s": round(drained, 1),
        "cpu_ms_per_failure": round(1000 * (cpu_seconds(load.worker.pid) - cpu) / (offered - 1), 2),
    }


def work_off(load: Load, backlog: int) -> dict[str, Any]:
    """Send a backlog at once; its rate from the first verdicts to the last."""
    producer, before = _producer(load.settings), load.sent
    load.send(producer, before + backlog)
    producer.flush(60)
    began = time.perf_counter()
    ended = load.wait(load.sent)
    return {"backlog": backlog, "highest_per_s": round(backlog / (ended - began), 1)}


def _sample(load: Load, stop: threading.Event, began: float) -> None:
    while not stop.wait(_SAMPLE_S):
        sent, done = load.sent, load.done()
        load.samples.append((time.perf_counter() - began, sent, done))


def _tenths(values: Sequence[int]) -> list[int]:
    """The median of each tenth."""
    edges = [len(values) * n // 10 for n in range(11)]
    return [round(statistics.median(values[a:b])) for a, b in itertools.pairwise(edges) if b > a]


def failures_of(lake: Lake, wanted: int) -> list[tuple[str, bytes]]:
    """Interactions as the join announces failures: (session, value)."""
    texts = lake.requests().select("request_id", "input_messages", "output_messages").collect()
    # The same text and evidence is judged once: count no row that is answered from memory.
    once = texts.unique(["input_messages", "output_messages"], keep="first", maintain_order=True)
    rows = (
        lake.interactions()
        .filter(pl.col("split") == "train")
        .collect()
        .join(once, on="request_id", how="semi", maintain_order="left")
    )
    whole = rows.head(wanted)
    if whole.height < wanted:
        raise TerminalError(f"the made lake has {whole.height} failures, {wanted} are needed")
    values = whole.select(PRODUCED).to_series().to_list()
    return list(zip(whole["session_id"].to_list(), values, strict=True))


def asker_alone(settings: Settings) -> dict[str, float]:
    """The ceiling, in a process of its own."""
    done = subprocess.run(
        [*_module("asker", settings), str(_CEILING_QUESTIONS)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=_DEADLINE_S,
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


@contextmanager
def double(latency_s: float) -> Iterator[str]:
    """A running endpoint; its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.judge_double", str(latency_s)], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def calls(endpoint: str) -> int:
    """Calls the endpoint has answered."""
    with urllib.request.urlopen(f"{endpoint.removesuffix('/v1')}/calls", timeout=10) as answer:  # noqa: S310
        return int(answer.read())


@contextmanager
def reactions(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A running worker, stopped at the end."""
    worker = subprocess.Popen(_module("worker", settings), cwd=ROOT)
    try:
        yield worker
        worker.terminate()
        worker.wait(30)
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()


def committed_offsets(settings: Settings) -> int:
    """Sum of the offsets committed on the failures, once they stand still."""
    consumer = Consumer(
        reader_options(settings.kafka.bootstrap_servers, f"{settings.kafka.group_id}-reactions")
    )
    places = [TopicPartition(names.FAILURES, p) for p in range(_PARTITIONS)]

    def total() -> int:
        return sum(max(place.offset, 0) for place in consumer.committed(places, timeout=30))

    try:
        return _still(total)
    finally:
        consumer.close()


def _still(number: Callable[[], int]) -> int:
    last = -1
    while (now := number()) != last:
        last = now
        time.sleep(4.0)  # Faust commits every 2.8 s
    return last


def _producer(settings: Settings) -> Producer:
    return Producer({"bootstrap.servers": settings.kafka.bootstrap_servers, "linger.ms": 20})


def _module(role: str, settings: Settings) -> list[str]:
    return [sys.executable, "-m", "benchmarks.reactions_process", role, settings.model_dump_json()]


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(__doc__)
    command.add_engine(parser)
    parser.add_argument("--per-minute", type=int, default=5_000, help="failures offered (default 5,000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--latency", type=float, default=0.3, help="of the endpoint, seconds (default 0.3)")
    parser.add_argument("--concurrency", type=int, default=64, help="most calls in flight (default 64)")
    arguments = parser.parse_args()
    command.main(
        lambda progress: measure(
            arguments.engine,
            arguments.per_minute,
            arguments.seconds,
            arguments.latency,
            arguments.concurrency,
            progress,
        ),
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
