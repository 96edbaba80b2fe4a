"""Running the app in the foreground: logging, signals, and how it ended."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final

import aiokafka.errors
import faust

from contracts.errors import BrokerUnavailable, TerminalError
from contracts.settings import Settings
from sinks.lake import Lake
from streams.identity import Identity
from streams.join_pipeline import JoinStats
from streams.reactions.app import ROLES, ReactionsApp, create_app

log = logging.getLogger("tailrace.worker")

Watch = Callable[[Callable[[], JoinStats]], AbstractContextManager[object]]

GIVE_UP_S: Final = 5.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_LIBRARIES: Final = ("faust", "mode", "aiokafka", "aiohttp", "asyncio")


def run(
    settings: Settings,
    lake: Lake,
    identity: Identity,
    roles: frozenset[str] = ROLES,
    *,
    watch: Watch | None = None,
) -> int:
    """Run a worker until SIGTERM or SIGINT; returns 0 after a clean stop.

    `watch` is a context around the run that may look at the join's statistics. The tables of the lake must
    exist. Raises the `TailraceError` that ended the worker: terminal ones leave offsets uncommitted.
    """
    _quiet()

    async def work() -> int:
        # Made inside the loop it runs in: Faust would make another one that nobody closes.
        app = create_app(settings, lake=lake, identity=identity, roles=roles)
        join = app.join
        with watch(lambda: join.stats) if watch and join else nullcontext():
            return await _serve(app, settings, roles)

    return asyncio.run(work())


async def _serve(app: ReactionsApp, settings: Settings, roles: frozenset[str]) -> int:
    stopping = asyncio.Event()
    app.on_failure = lambda _: stopping.set()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, _on_signal, number, stopping)
    worker = _Worker(app, loop=loop, override_logging=False, redirect_stdouts=False, quiet=True)
    worker.spinner = None
    # Ends when the worker was stopped or crashed.
    running = asyncio.ensure_future(worker.start())
    waiting = asyncio.ensure_future(stopping.wait())
    log.info(
        "starting: %s; web on http://%s:%d", ", ".join(sorted(roles)), settings.web.host, settings.web.port
    )
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        await worker.stop()
    finally:
        waiting.cancel()
    error = app.failure or await _end_of(running) or worker.crash_reason
    if error is not None:
        raise _explained(error, settings)
    log.info("stopped")
    return 0


class _Worker(faust.Worker):  # type: ignore[misc]
    """Faust's worker without its signal handlers: ours also end a start that hangs."""

    def install_signal_handlers(self) -> None:
        """Leave the signals to `_serve`."""


def _on_signal(number: signal.Signals, stopping: asyncio.Event) -> None:
    log.info("stopping (%s)", number.name)
    stopping.set()
    loop = asyncio.get_running_loop()
    for each in _SIGNALS:  # a second signal ends the process the hard way
        loop.remove_signal_handler(each)


async def _end_of(running: asyncio.Future[Any]) -> BaseException | None:
    """Wait a little for the start to return; its error, if it had one."""
    done, _ = await asyncio.wait({running}, timeout=GIVE_UP_S)
    if not done:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return None
    return None if running.cancelled() else running.exception()


def _explained(error: BaseException, settings: Settings) -> BaseException:
    """The error as ours where it is a known one."""
    if isinstance(error, aiokafka.errors.KafkaError):
        return BrokerUnavailable(
            f"no Kafka broker answers at {settings.kafka.bootstrap_servers}: {type(error).__name__}",
            hint="Start one (`tailrace broker` for development), or set TAILRACE_KAFKA__BOOTSTRAP_SERVERS.",
        )
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return TerminalError(
            f"the web port {settings.web.port} on {settings.web.host} is taken",
            hint="Set TAILRACE_WEB__PORT; every worker on a machine needs its own.",
        )
    return error


def _quiet() -> None:
    """Our own progress and every warning; the libraries' only when something is wrong."""
    logging.getLogger("tailrace").setLevel(logging.INFO)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
