"""`tailrace broker` and `tailrace topics`."""

from __future__ import annotations

import signal
import threading
from typing import Annotated, Any

import msgspec
import typer

from console.options import Bootstrap, Json, settings_for
from console.terminal import out, print_json, print_table, say
from infra.broker import EmbeddedBroker
from streams import topics

topics_app = typer.Typer(help="Create and check the Kafka topics.", no_args_is_help=True)


def broker(
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 finds a free one.", min=0, max=65535)
    ] = 9092,
) -> None:
    """Run the embedded development broker until interrupted.

    It speaks the Kafka protocol, listens on loopback only and keeps everything in memory: what it
    holds is gone when it stops. For production use Apache Kafka (see infra/compose.yaml).
    """
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with EmbeddedBroker(port or None) as running:
        out.print(f"Kafka protocol on {running.bootstrap_servers} (memory only; Ctrl-C stops it)")
        say(f"Other terminals: export TAILRACE_KAFKA__BOOTSTRAP_SERVERS={running.bootstrap_servers}")
        say("and, as its group joins take half the session timeout: TAILRACE_KAFKA__SESSION_TIMEOUT_MS=6000")
        while not stopped.wait(0.5) and running.running:
            pass


@topics_app.command("apply")
def apply(bootstrap_servers: Bootstrap = None, as_json: Json = False) -> None:
    """Create missing topics, check existing ones, refuse what the join cannot work with.

    The three joined topics need the same partition count, so that a session's events meet on one
    worker. Safe to repeat.
    """
    settings = settings_for(bootstrap=bootstrap_servers)
    _show(topics.apply(settings.kafka, settings.join), as_json=as_json)


@topics_app.command("verify")
def verify(bootstrap_servers: Bootstrap = None, as_json: Json = False) -> None:
    """Check the topics without creating any."""
    settings = settings_for(bootstrap=bootstrap_servers)
    _show(topics.verify(settings.kafka, settings.join), as_json=as_json)


def _show(report: topics.TopicsReport, *, as_json: bool) -> None:
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
