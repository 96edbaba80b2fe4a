"""Web views of the worker: liveness, readiness, status and metrics."""

from __future__ import annotations

from typing import Any

from contracts.errors import TailraceError
from contracts.settings import Settings
from sinks.lake import Lake
from streams.reactions.join_service import JoinService
from streams.reactions.metrics import StatsCollector
from streams.reactions.nights import Overview
from streams.reactions.stats import ReactionStats
from streams.reactions.status import LakeStatus, join_numbers, reaction_numbers


class WebViews:
    """Registers the views with the app's web server.

    `/health/live` says whether to restart the process, `/health/ready` whether it does its work right
    now (503 while it does not), `/health` both. `/status` reads the lake, `/metrics` only memory.
    """

    def __init__(
        self, app: Any, settings: Settings, lake: Lake, join: JoinService | None, stats: ReactionStats | None
    ) -> None:
        self._app = app
        self._join = join
        self._stats = stats
        self._lake_status = LakeStatus(settings, lake)
        self._collector = StatsCollector((lambda: join.stats) if join else None, stats, self._nightly)
        for path, view in {
            "/health/live": self.live,
            "/health/ready": self.ready,
            "/health": self.health,
            "/status": self.status,
            "/metrics": self.metrics,
        }.items():
            app.page(path, name=f"tailrace{path.replace('/', '-')}")(_view(view))

    async def live(self, web: Any, _request: Any) -> Any:
        """Whether every part that should run does."""
        problems = self._dead()
        return _verdict(web, "live", problems)

    async def ready(self, web: Any, _request: Any) -> Any:
        """Whether the worker has its partitions and nothing holds it up."""
        return _verdict(web, "ready", self._dead() or self._waiting())

    async def health(self, web: Any, _request: Any) -> Any:
        """Both, with the reasons; the status code is that of readiness."""
        dead = self._dead()
        waiting = dead or self._waiting()
        body = {"live": not dead, "ready": not waiting, "problems": waiting}
        return web.json(body, status=503 if waiting else 200)

    async def status(self, web: Any, _request: Any) -> Any:
        """`tailrace status --json` of this deployment, plus what this worker did.

        503 with the reason while the lake cannot be read; what is in memory is shown even then.
        """
        code = 200
        try:
            body = dict(await self._lake_status.read())
        except TailraceError as error:
            code, body = 503, {"problem": str(error)}
        if self._join is not None:
            body["join"] = join_numbers(self._join.stats)
        if self._stats is not None:
            body["reactions"] = reaction_numbers(self._stats)
            body["reactions"]["consents_known"] = len(self._app.consents)
        return web.json(body, status=code)

    async def metrics(self, web: Any, request: Any) -> Any:
        """For Prometheus, in the format it asks for."""
        body, content_type = self._collector.exposition(request.headers.get("Accept", ""))
        return web.bytes(body, headers={"Content-Type": content_type})

    def _nightly(self) -> Overview | None:
        nightly = self._app.nightly
        return None if nightly is None else nightly.overview

    def _dead(self) -> list[str]:
        return ["the join does not run"] if self._join is not None and not self._join.alive else []

    def _waiting(self) -> list[str]:
        problems = []
        if self._join is not None:
            stats = self._join.stats
            if not stats.partitions:
                problems.append("the join has no partitions yet")
            if stats.problem:
                problems.append(f"join: {stats.problem}")
        if self._stats is not None:
            if not self._app.fully_started or self._app.rebalancing:
                problems.append("the reactions have no partitions yet")
            if self._stats.problem:
                problems.append(f"reactions: {self._stats.problem}")
        return problems


def _verdict(web: Any, name: str, problems: list[str]) -> Any:
    return web.json({name: not problems, "problems": problems}, status=503 if problems else 200)


def _view(method: Any) -> Any:
    """A plain coroutine function around a bound method: Faust builds a view class from its attributes."""

    async def view(web: Any, request: Any) -> Any:
        return await method(web, request)

    return view
