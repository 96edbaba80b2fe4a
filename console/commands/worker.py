"""`tailrace worker`."""

from __future__ import annotations

import logging
import signal
from enum import StrEnum
from typing import Annotated

import typer

from console.live import LiveLine
from console.options import Bootstrap, Home, Json, identity_for, lake_at, settings_for
from console.terminal import print_json, say
from contracts.errors import TerminalError
from streams import topics
from streams.fleet import make_join
from streams.fresh_lake import check_fresh_lake


class Role(StrEnum):
    """What a worker does."""

    JOIN = "join"
    REACTIONS = "reactions"


def worker(
    drain: Annotated[
        bool,
        typer.Option(
            "--drain", help="Read everything, close every window, exit. Runs the join only, without Faust."
        ),
    ] = False,
    only: Annotated[
        Role | None,
        typer.Option(help="join: the bulk join; reactions: online judge, consent, nightly build."),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes for the join, each with a share of the partitions; one per core."
        ),
    ] = None,
    new_lake: Annotated[
        bool,
        typer.Option(
            "--new-lake",
            help="Fill a new lake with what Kafka still holds, although the group has read it before.",
        ),
    ] = False,
    home: Home = None,
    bootstrap_servers: Bootstrap = None,
    as_json: Json = False,
) -> None:
    """Join requests, signals and outcomes from Kafka into the lake, and react to failures.

    Runs until interrupted; stopping at any moment, even by kill -9, loses and repeats nothing. Start
    more workers to share the partitions.
    """
    settings = settings_for(home, bootstrap_servers)
    if processes is not None:
        join = settings.join.model_copy(update={"processes": processes})
        settings = settings.model_copy(update={"join": join})
    for warning in topics.verify(settings.kafka, settings.join).warnings:
        say(f"[yellow]warning:[/] {warning}")
    lake = lake_at(settings)
    check_fresh_lake(settings.kafka, lake, begin_again=new_lake)
    lake.create(settings.lake)
    identity = identity_for(settings, lake, may_make_key=True)
    if not drain:
        # Faust is slow to import, and draining does not need it.
        from streams.reactions.worker import run as run_app

        roles = frozenset({only.value} if only else {role.value for role in Role})
        watch = None if as_json or only is Role.REACTIONS else LiveLine
        raise typer.Exit(run_app(settings, lake, identity, roles, watch=watch))
    if only is Role.REACTIONS:
        raise TerminalError("only the join can be drained", hint="Leave out --only, or use --only join.")
    join_worker = make_join(settings, lake, identity)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: join_worker.stop())
    logging.getLogger("tailrace").setLevel(logging.WARNING)
    with LiveLine(lambda: join_worker.stats, quiet=as_json):
        stats = join_worker.run(drain=True)
    if as_json:
        print_json(
            {
                "consumed": stats.consumed,
                "interactions": stats.interactions,
                "dead_letters": stats.dead_letters,
                "duplicates": stats.duplicates,
                "checkpoints": stats.checkpoints,
            }
        )
    else:
        say(
            f"{stats.consumed:,} events read, {stats.interactions:,} interactions joined, "
            f"{stats.dead_letters:,} dead letters"
        )
