"""`tailrace broker` and `tailrace topics`."""

from __future__ import annotations

import signal
import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from console.options import Bootstrap, Json, settings_for
from console.terminal import out, print_json, print_table, say
from contracts.errors import SettingsError, TerminalError
from infra.apache_kafka import ApacheKafka
from infra.broker import EmbeddedBroker
from infra.kafka.jars import cache_folder, version

if TYPE_CHECKING:
    from streams.topics import TopicsReport

topics_app = typer.Typer(help="Create and check the Kafka topics.", no_args_is_help=True)


class Engine(StrEnum):
    """Which broker to run."""

    tansu = "tansu"
    kafka = "kafka"


def broker(
    port: Annotated[
        int,
        typer.Option(
            help="Port on 127.0.0.1; 0 finds a free one. Three brokers take it and the next two.",
            min=0,
            max=65533,
        ),
    ] = 9092,
    engine: Annotated[
        Engine,
        typer.Option(help="tansu: small, starts at once. kafka: Apache Kafka itself; needs Java 17, Maven."),
    ] = Engine.tansu,
    brokers: Annotated[
        int,
        typer.Option(
            help="With --engine kafka: 1, or a cluster of 3 (every partition on all, two in sync).",
            min=1,
            max=3,
        ),
    ] = 1,
) -> None:
    """Run a development broker until interrupted.

    Both engines speak the Kafka protocol and listen on loopback only; what they hold is gone when they
    stop.

    **tansu** (default) is one small binary that keeps everything in memory.

    **kafka** is Apache Kafka (KRaft, no ZooKeeper), for what must behave as in production: rebalances,
    replication, restarts. Its jars are fetched from Maven Central once (about 45 MB) into the cache folder;
    the data go to a temporary folder. Where the two differ: docs/brokers.md. For production run a Kafka
    of your own (see infra/compose.yaml for a start).

    Example: `tailrace broker --engine kafka --brokers 3 --port 0`
    """
    if engine is Engine.tansu:
        if brokers != 1:
            raise SettingsError(
                "tansu runs as one broker", hint="Add --engine kafka, or leave --brokers out."
            )
        _run_tansu(port or None)
    else:
        _run_kafka(port or None, brokers)


def _run_tansu(port: int | None) -> None:
    with EmbeddedBroker(port) as running:
        stopped = _signals()
        out.print(f"Kafka protocol on {running.bootstrap_servers} (memory only; Ctrl-C stops it)")
        _tell(running.bootstrap_servers)
        say("and, as its group joins take half the session timeout: TAILRACE_KAFKA__SESSION_TIMEOUT_MS=6000")
        _wait(running, stopped)


def _run_kafka(port: int | None, brokers: int) -> None:
    def fetching() -> None:
        say(f"fetching Apache Kafka {version()} into {cache_folder()}, once …")

    with ApacheKafka(brokers, port=port, quick_start=False, on_fetch=fetching) as running:
        stopped = _signals()
        out.print(
            f"Apache Kafka {running.version} on {running.bootstrap_servers} "
            "(temporary data; Ctrl-C stops it)",
            soft_wrap=True,
        )
        _tell(running.bootstrap_servers)
        if brokers > 1:
            say(f"and, for topics on all {brokers}: TAILRACE_KAFKA__REPLICATION_FACTOR={brokers}")
        _wait(running, stopped)


def _tell(bootstrap_servers: str) -> None:
    say(f"Other terminals: export TAILRACE_KAFKA__BOOTSTRAP_SERVERS={bootstrap_servers}")


def _signals() -> threading.Event:
    """Set by Ctrl-C and SIGTERM.

    Only from here on are the signals ours: while the start is under way Ctrl-C must end it at once.
    Before anybody is told that it runs: who reads that may send one.
    """
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def _wait(running: EmbeddedBroker | ApacheKafka, stopped: threading.Event) -> None:
    """Until `stopped`. Raises `TerminalError` when a broker ends by itself."""
    while not stopped.wait(0.5):
        if not running.running:
            raise TerminalError(
                f"the broker ended by itself; its log ends:\n{running.log_tail()}", hint="Start it again."
            )


@topics_app.command("apply")
def apply(bootstrap_servers: Bootstrap = None, as_json: Json = False) -> None:
    """Create missing topics, check existing ones, refuse what the join cannot work with.

    The three joined topics need the same partition count, so that a session's events meet on one
    worker. Safe to repeat.
    """
    from streams import topics  # Kafka's client is slow to import, and the broker command needs none

    settings = settings_for(bootstrap=bootstrap_servers)
    _show(topics.apply(settings.kafka, settings.join), as_json=as_json)


@topics_app.command("verify")
def verify(bootstrap_servers: Bootstrap = None, as_json: Json = False) -> None:
    """Check the topics without creating any."""
    from streams import topics

    settings = settings_for(bootstrap=bootstrap_servers)
    _show(topics.verify(settings.kafka, settings.join), as_json=as_json)


def _show(report: TopicsReport, *, as_json: bool) -> None:
    if as_json:
        content: dict[str, Any] = msgspec.to_builtins(report)
        print_json(content)
        return
    print_table(
        ["topic", "role", "status", "partitions", "retention (h)", "note"],
        [[t.name, t.role, t.status, t.partitions, t.retention_hours, t.note] for t in report.topics],
    )
    for warning in report.warnings:
        say(f"[yellow]warning:[/] {warning}")
