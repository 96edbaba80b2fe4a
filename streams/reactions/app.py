"""The Faust app: the reactions as agents, the join as a supervised service, the web views."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any, Final

import faust

from contracts import topics
from contracts.settings import Settings
from sinks.lake import Lake
from streams.fleet import make_join
from streams.identity import Identity
from streams.reactions.alerts import AlertReactions
from streams.reactions.announcing import Announcements, AnnouncingReactions
from streams.reactions.consent import ConsentReactions
from streams.reactions.dead_letters import DeadLetterReactions
from streams.reactions.join_service import JoinService
from streams.reactions.judge_agent import JudgeReactions
from streams.reactions.judging import OnlineJudge
from streams.reactions.letter_stats import LetterStats
from streams.reactions.nightly import NightlyReactions
from streams.reactions.revocations import RevocationReactions
from streams.reactions.security import credentials
from streams.reactions.seeking import seek_begins_too
from streams.reactions.stats import ReactionStats
from streams.reactions.web import WebViews
from streams.routing import topic_names

JOIN: Final = "join"
REACTIONS: Final = "reactions"
ROLES: Final = frozenset({JOIN, REACTIONS})

BUFFER: Final = 1_000
"""Events a stream holds in memory; each carries an interaction of a few KB."""


class ReactionsApp(faust.App):  # type: ignore[misc]
    """A Faust app that knows why it failed.

    `failure` is the error that made it give up; `on_failure` is called with it, once, so that whoever
    runs the app can stop it.
    """

    join: JoinService | None = None
    consents: ConsentReactions | None = None
    nightly: NightlyReactions | None = None
    stats: ReactionStats | None = None
    failure: BaseException | None = None
    on_failure: Callable[[BaseException], None] | None = None
    fully_started: bool = False

    def fail(self, error: BaseException) -> None:
        """Give up: remember the first error and ask to be stopped."""
        if self.failure is None:
            self.failure = error
            if self.on_failure is not None:
                self.on_failure(error)

    def on_init_dependencies(self) -> Iterable[Any]:
        """The join first: as an `app.service` it would wait for the group and table recovery."""
        own = [self.join] if self.join is not None else []
        return [*own, *super().on_init_dependencies()]

    def _new_consumer(self) -> Any:
        return seek_begins_too(self, super()._new_consumer())

    async def on_started(self) -> None:
        """Note that partitions were assigned and tables recovered."""
        await super().on_started()
        self.fully_started = True

    async def on_stop(self) -> None:
        """Let the join finish its checkpoint while the agents stop."""
        if self.join is not None:
            self.join.request_stop()
        await super().on_stop()


class _WithoutKafka(faust.app.BootStrategy):  # type: ignore[misc]
    """Only the web server: a worker that only joins needs no consumer of Faust's."""

    enable_kafka = False


def create_app(
    settings: Settings,
    *,
    lake: Lake,
    identity: Identity,
    roles: frozenset[str] = ROLES,
    store: str = "memory://",
) -> ReactionsApp:
    """Build the app for some roles (`join`, `reactions`); nothing is connected yet.

    `store` is where Faust keeps its tables; their changelog is on the broker in any case. Raises
    `SettingsError` when judge, schedule or security settings cannot work, `ValueError` for roles that
    do not exist.
    """
    if not roles or roles - ROLES:
        raise ValueError(f"roles are {sorted(ROLES)}")
    app = ReactionsApp(f"{settings.kafka.group_id}-reactions", **_options(settings, store))
    if JOIN in roles:
        app.join = JoinService(lambda: make_join(settings, lake, identity), fail=app.fail)
    if REACTIONS in roles:
        sources = (*topic_names(settings.kafka).values(), *topics.OUTPUT_TOPICS)
        stats = app.stats = ReactionStats(letters=LetterStats(sources))
        judge = OnlineJudge(settings, lake, stats)
        dead_letters = DeadLetterReactions(app, stats)
        AlertReactions(app, settings, dead_letters, stats.alerts)
        revocations = RevocationReactions(app, settings, lake, stats, fail=app.fail)
        consents = app.consents = ConsentReactions(app, settings, identity, stats, revocations)
        JudgeReactions(app, settings, judge, consents, dead_letters, stats, fail=app.fail)
        announcements = Announcements(app, lake, settings.drops_root)
        app.nightly = NightlyReactions(app, settings, lake, stats, announcements=announcements)
        AnnouncingReactions(app, announcements)
    else:
        app.boot_strategy = _WithoutKafka(app)
    WebViews(app, settings, lake, app.join, app.stats)
    return app


def _options(settings: Settings, store: str) -> dict[str, Any]:
    kafka, web = settings.kafka, settings.web
    session_s = kafka.session_timeout_ms / 1000
    return {
        # Faust lets variables such as WEB_PORT or BROKER_URL overrule what the code says.
        "env": {},
        "broker": ";".join(f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")),
        "broker_credentials": credentials(kafka.security),
        "broker_client_id": "tailrace-reactions",
        "broker_session_timeout": session_s,
        "broker_heartbeat_interval": session_s / 6,
        "broker_request_timeout": max(90.0, 2 * session_s),
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": 4 << 20,
        "producer_max_request_size": 8 << 20,
        "producer_request_timeout": 60.0,
        "processing_guarantee": "at_least_once",
        "stream_buffer_maxsize": BUFFER,
        # Waiting for streams would hold every rebalance and stop up behind a slow judge; what is in
        # flight is not acknowledged, so the next owner meets it again.
        "stream_wait_empty": False,
        "store": store,
        "table_standby_replicas": 0,
        # The check trusts end offsets, which the embedded broker reports too low; it guards databases
        # on disk, and a store in memory is rebuilt anyway.
        "recovery_consistency_check": False,
        # Faust creates only topics of its own (leader, changelog); ours are `tailrace topics apply`'s.
        "topic_allow_declare": True,
        "topic_partitions": kafka.partitions,
        "topic_replication_factor": kafka.replication_factor,
        "datadir": settings.home / "faust",
        "timezone": UTC,
        "autodiscover": False,
        "web_enabled": True,
        "web_bind": web.host,
        "web_port": web.port,
        "canonical_url": f"http://{web.host}:{web.port}",
        # Faust's own views show table contents and internals.
        "web_router_enabled": False,
        "web_tables_enabled": False,
        "web_graph_enabled": False,
        "web_stats_enabled": False,
        "web_metrics_enabled": False,
    }
