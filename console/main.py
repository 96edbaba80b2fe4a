"""The `tailrace` command."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Annotated

import typer

from console.lazy import Command, lazy_group
from console.terminal import LogHandler, crashed, fail
from contracts.errors import TailraceError
from streams.process import leave

COMMANDS = (
    Command(
        "demo",
        "demo:demo",
        "Run the whole loop here: events → Kafka → join → lake → judge → dataset → report.",
    ),
    Command(
        "worker",
        "worker:worker",
        "Join requests, signals and outcomes from Kafka into the lake, and react to failures.",
    ),
    Command("topics", "broker:topics_app", "Create and check the Kafka topics."),
    Command("simulate", "events:simulate", "Simulate a product with LLM features and send its events."),
    Command("replay", "events:replay", "Send recorded events to Kafka."),
    Command("settle", "lake:settle", "Fold late evidence into interactions, as new revisions."),
    Command("drop", "drops:drop", "Build and publish a preference dataset from the lake."),
    Command("drops", "drops:app", "List, show, verify, compare, rebuild and push published drops."),
    Command("models", "models:app", "Register trained models, and see what a new base model changes."),
    Command("audit", "audit:app", "Answer an auditor: whose rows, what kind, untouched since?"),
    Command(
        "why",
        "why:why",
        "Say why a request is, or is not, in a drop: every gate it passed, the one that refused it, and what "
        "the rows made of it are.",
    ),
    Command(
        "evals", "evals:app", "Register eval sets; every drop is checked against them. Show what was found."
    ),
    Command("quarantine", "quarantine:app", "Show rows that gates refused, and release them."),
    Command(
        "erase",
        "erase:erase",
        "Remove a person from every table and its history, from published drops, and prove it.",
    ),
    Command(
        "retention",
        "retention:app",
        "Delete rows older than their table's days, and hold what must stay.",
    ),
    Command("keys", "keys:app", "Replace the key of the user pseudonyms, and see how far that is."),
    Command("score", "score:app", "Fit the failure score to labels, and explain a score."),
    Command("status", "lake:status", "Show what became of every consumed event, and where the join stands."),
    Command("report", "lake:report", "Write report.html over the lake and its newest drop."),
    Command("lake", "lake:app", "How the files of the lake lie, and putting them in order."),
    Command(
        "agreement",
        "agreement:agreement",
        "Say how far raters agree: Krippendorff's α, Cohen's and Fleiss' κ, AC1, each with its interval.",
    ),
    Command(
        "judge",
        "judge:app",
        "Calibrate judges, see them drift, label what they leave to people; agreement, consistency, bias.",
    ),
    Command(
        "dead-letters",
        "dead_letters:app",
        "Show events that could not be used, export them for repair, and replay them.",
    ),
    Command(
        "settings",
        "settings:settings",
        "Show every setting, its value in force and what it means. Secrets are never shown.",
    ),
    Command("broker", "broker:broker", "Run a development broker until interrupted."),
)

app = typer.Typer(
    name="tailrace",
    cls=lazy_group(COMMANDS),
    help="Carry what production taught an LLM feature back to where the model is trained.",
    epilog="Start with `tailrace demo`. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something "
    "outside (broker, lake, judge) does not answer.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"tailrace {version('tailrace')}")
        raise typer.Exit


@app.callback()
def tailrace(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The commands are in `COMMANDS`."""


def main() -> None:
    """Run the command line; typed errors end as one line with a hint, never as a traceback."""
    logging.basicConfig(level=logging.WARNING, handlers=[LogHandler()])
    # librdkafka reports every lost connection; our own errors say what matters.
    logging.getLogger("tailrace.kafka").setLevel(logging.CRITICAL)
    # kafka-python warns about scheduling delays of its own loop; our own errors say what matters.
    logging.getLogger("kafka").setLevel(logging.ERROR)
    try:
        app()
    except TailraceError as error:
        leave(fail(error))
    except KeyboardInterrupt:
        leave(130)
    except SystemExit as end:
        leave(end.code)
    except Exception as error:  # noqa: BLE001 - shown as the interpreter would, but for what it quotes
        crashed(error)
        leave(1)
