"""The bulk join as a service of the Faust app: its own thread, watched and stopped with the app."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import mode
from confluent_kafka import KafkaException

from contracts.errors import SettingsError, TerminalError
from streams.fleet import JoinFleet
from streams.join_pipeline import JoinStats
from streams.join_worker import JoinWorker

log = logging.getLogger("tailrace.join")

STOP_SECONDS: Final = 20.0
"""How long a stop waits for the checkpoint in flight."""


class JoinService(mode.Service):  # type: ignore[misc]
    """Runs a `JoinWorker` or a `JoinFleet` in a thread.

    `fail` is called, in the event loop, with the error that ended the worker; a stop is no error.
    """

    def __init__(
        self,
        make_worker: Callable[[], JoinWorker | JoinFleet],
        *,
        fail: Callable[[BaseException], None],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._make_worker = make_worker
        self._fail = fail
        self._worker: JoinWorker | JoinFleet | None = None
        self._ended = asyncio.Event()

    @property
    def stats(self) -> JoinStats:
        """What the worker has done; all zero before it started."""
        return self._worker.stats if self._worker else JoinStats()

    @property
    def alive(self) -> bool:
        """Whether the worker runs."""
        return self._worker is not None and not self._ended.is_set()

    def request_stop(self) -> None:
        """Ask the worker to finish, without waiting."""
        if self._worker is not None:
            self._worker.stop()

    async def on_start(self) -> None:
        """Start the thread."""
        try:
            worker = self._worker = self._make_worker()
        except KafkaException as error:
            raise SettingsError(
                f"the Kafka client does not accept its options: {error.args[0].str()}",
                hint="Check kafka.bootstrap_servers and kafka.security.",
            ) from None
        loop = asyncio.get_running_loop()

        def work() -> None:
            failure: BaseException | None = None
            try:
                worker.run()
            except BaseException as error:  # noqa: BLE001 - handed to the app
                failure = error
            with suppress(RuntimeError):  # the loop is closed: the process is ending anyway
                loop.call_soon_threadsafe(self._on_end, failure)

        threading.Thread(target=work, name="tailrace-join", daemon=True).start()
        log.info("the join runs")

    async def on_stop(self) -> None:
        """Wait for the worker to finish what is in flight."""
        self.request_stop()
        if self._worker is None:
            return
        try:
            await asyncio.wait_for(self._ended.wait(), STOP_SECONDS)
        except TimeoutError:
            log.warning(
                "the join did not finish in %.0f s; the next worker reads on from the last commit",
                STOP_SECONDS,
            )

    def _on_end(self, failure: BaseException | None) -> None:
        self._ended.set()
        if failure is not None:
            self._fail(failure)
        elif not self.should_stop:
            self._fail(TerminalError("the join ended by itself"))
