"""The `tailrace` command."""

from __future__ import annotations

import logging
import sys

import typer

from console.commands import (
    agreement,
    broker,
    dead_letters,
    demo,
    drops,
    evals,
    events,
    judge,
    lake,
    quarantine,
    score,
    settings,
    why,
    worker,
)
from console.terminal import LogHandler, fail
from contracts.errors import TailraceError

app = typer.Typer(
    name="tailrace",
    help="Carry what production taught an LLM feature back to where the model is trained.",
    epilog="Start with `tailrace demo`. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something "
    "outside (broker, lake, judge) does not answer.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("worker")(worker.worker)
app.add_typer(broker.topics_app, name="topics")
app.command("simulate")(events.simulate)
app.command("replay")(events.replay)
app.command("settle")(lake.settle)
app.command("drop")(drops.drop)
app.add_typer(drops.app, name="drops")
app.command("why")(why.why)
app.add_typer(evals.app, name="evals")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(score.app, name="score")
app.command("status")(lake.status)
app.command("report")(lake.report)
app.add_typer(lake.app, name="lake")
app.command("agreement")(agreement.agreement)
app.add_typer(judge.app, name="judge")
app.add_typer(dead_letters.app, name="dead-letters")
app.command("settings")(settings.settings)
app.command("broker")(broker.broker)


def main() -> None:
    """Run the command line; typed errors end as one line with a hint, never as a traceback."""
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", handlers=[LogHandler()]
    )
    # librdkafka reports every lost connection; our own errors say what matters.
    logging.getLogger("tailrace.kafka").setLevel(logging.CRITICAL)
    # kafka-python warns about scheduling delays of its own loop; our own errors say what matters.
    logging.getLogger("kafka").setLevel(logging.ERROR)
    try:
        app()
    except TailraceError as error:
        sys.exit(fail(error))
    except KeyboardInterrupt:
        sys.exit(130)
