"""`tailrace demo`: the whole loop on one machine."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from console.commands.drops import build, describe
from console.commands.events import Format, raw, read
from console.commands.lake import show
from console.funnel import show_funnel
from console.options import Home, Json, open_lake, require_file, settings_for
from console.ranking import latent_auc
from console.report.collect import write_report
from console.sending import send
from console.terminal import err, out, print_json, say
from contracts.errors import TailraceError, TerminalError
from contracts.settings import Settings
from curation.erasure.other_files import TRUTH
from curation.settle import settle
from curation.weights import resolve_model
from infra.broker import EmbeddedBroker
from sinks.lake import Lake
from streams import topics
from streams.join_worker import JoinWorker
from streams.pseudonym_key import make_identity
from streams.recordings import RawEvent
from streams.simulator import SimulationConfig, simulate, write_truth
from streams.status import read_status

DAYS = 7
MARKER = ".tailrace-demo"
"""Says that a home directory holds nothing but a demo and may be made anew."""

CAUGHT_UP_DEADLINE_S = 600.0


def demo(
    sessions: Annotated[int, typer.Option(min=1, help="User sessions to simulate.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Same seed, same events.")] = 7,
    replay: Annotated[
        list[Path] | None,
        typer.Option(help="Run on recorded events instead of the simulator; may be given several times."),
    ] = None,
    format: Annotated[Format, typer.Option(help="What the recorded files hold.")] = Format.TAILRACE,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run the whole loop here: events → Kafka → join → lake → judge → dataset → report.

    Starts an embedded broker on a free port, simulates a product (or replays recorded events), joins
    and scores its events, waits for the late outcomes, settles, publishes a drop and writes
    report.html. Takes about half a minute; needs no network.
    """
    started = time.monotonic()
    settings = settings_for(home)
    prepare_home(settings)
    with EmbeddedBroker() as broker:
        settings = settings_for(
            home,
            broker.bootstrap_servers,
            # The embedded broker delays group joins by half the session timeout.
            kafka={"session_timeout_ms": 6_000},
            join={"idle_seconds": 1.0, "checkpoint_seconds": 2.0},
        )
        topics.apply(settings.kafka, settings.join)
        lake = open_lake(settings, create=True)
        truth = None
        if replay:
            phases = [("recorded events", recorded(replay, format))]
        else:
            start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            simulation = simulate(
                SimulationConfig(
                    sessions=sessions, seed=seed, start=start - timedelta(days=DAYS + 1), days=DAYS
                )
            )
            phases = [
                ("a week of traffic", (raw(e) for e in simulation.events if not e.late)),
                ("outcomes that come days later", (raw(e) for e in simulation.events if e.late)),
            ]
            truth = settings.home / TRUTH
        sent = run_phases(settings, lake, phases, quiet=as_json)
        if truth is not None:
            write_truth(truth, simulation.truth)
        drop = build(settings, lake, quiet=as_json)
        found = read_status(settings, lake)
    report = write_report(settings, lake, truth=truth)
    auc = latent_auc(lake, truth) if truth else None
    seconds = time.monotonic() - started
    if as_json:
        print_json(
            {
                "home": str(settings.home),
                "lake": settings.lake_root,
                "report": str(report),
                "drop": describe(drop),
                "sent": sent,
                **found.as_dict(),
                "auc": auc,
                "seconds": round(seconds, 1),
            }
        )
        return
    show(found)
    show_funnel(drop.funnel, drop.seconds)
    rows: list[tuple[str, Any]] = [
        ("lake", settings.lake_root),
        ("drop", drop.folder),
        ("report", report),
    ]
    for name, value in rows:
        out.print(f"[bold]{name:<7}[/]{value}", highlight=False, soft_wrap=True)
    if auc is not None:
        out.print(
            f"The score ranked the simulator's latent failures with ROC AUC {auc:.3f} "
            f"(1 is perfect, 0.5 is guessing). {sent:,} events, {seconds:.0f} s.",
            highlight=False,
            soft_wrap=True,
        )


def prepare_home(settings: Settings) -> None:
    """Make the home directory of a demo anew; refuse one that holds anything else.

    Each demo has a broker of its own, whose offsets begin at 0: mixing two in one lake makes no sense.
    """
    home = settings.home
    marker = home / MARKER
    try:
        if home.exists() and any(home.iterdir()):
            if not marker.exists():
                raise TerminalError(
                    f"{home} holds something that is not a demo",
                    hint="Choose another --home for the demo.",
                )
            shutil.rmtree(home)
        home.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError as error:
        raise TerminalError(
            f"{home} cannot be written: {error.strerror}", hint="Choose another --home."
        ) from None


def recorded(files: list[Path], format: Format) -> Iterable[RawEvent]:
    """Events of several files, one after the other."""
    for file in files:
        yield from read(require_file(file), format)


def run_phases(
    settings: Settings, lake: Lake, phases: list[tuple[str, Iterable[RawEvent]]], *, quiet: bool
) -> int:
    """Send each phase while a worker joins, wait until it has caught up, settle; returns events sent."""
    identity = make_identity(settings)
    join_worker = JoinWorker(settings, lake, identity)
    with Background(join_worker.run) as work:
        try:
            sent = 0
            for name, events in phases:
                sent += send(settings, events, quiet=quiet)
                wait_until_settled(join_worker, sent, work, quiet=quiet)
                report = settle(
                    lake,
                    horizon_us=settings.join.horizon_us,
                    now_us=time.time_ns() // 1000,
                    model=resolve_model(settings),
                )
                if not quiet:
                    say(
                        f"{name}: {join_worker.stats.consumed:,} events joined into "
                        f"{join_worker.stats.interactions:,} interactions, {report.revised:,} revised"
                    )
        finally:
            join_worker.stop()
    return sent


def wait_until_settled(join_worker: JoinWorker, sent: int, work: Background, *, quiet: bool) -> None:
    """Wait until everything sent is consumed, durable and no window is open."""
    deadline = time.monotonic() + CAUGHT_UP_DEADLINE_S
    with err.status("joining …") if err.is_terminal and not quiet else nullcontext():
        closing = False
        while not (closing and join_worker.settled(sent)):
            if not closing and join_worker.stats.consumed >= sent:
                join_worker.close_windows()
                closing = True
            work.check()
            if time.monotonic() > deadline:
                raise TerminalError(
                    f"the worker did not catch up in {CAUGHT_UP_DEADLINE_S:.0f} s",
                    hint=join_worker.stats.problem or "Run it again in a quieter moment.",
                )
            time.sleep(0.1)


class Background:
    """A function running in a thread; its error surfaces in `check` and on exit."""

    def __init__(self, run: Callable[[], object]) -> None:
        self._run = run
        self._error: TailraceError | None = None
        self._thread = threading.Thread(target=self._target, name="tailrace-join", daemon=True)

    def _target(self) -> None:
        try:
            self._run()
        except TailraceError as error:
            self._error = error

    def check(self) -> None:
        """Raise what the function raised; `TerminalError` when it ended early."""
        if self._error:
            raise self._error
        if not self._thread.is_alive():
            raise TerminalError("the join worker ended early", hint="Run again; the log says more.")

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._thread.join()
        if self._error and kind is None:
            raise self._error
