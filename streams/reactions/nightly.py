"""The scheduled drop: built once however many workers wake up, and announced on `tailrace.drops`."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

import msgspec
from mode.utils.cron import secs_for_next

from contracts import topics
from contracts.errors import BrokerUnavailable, SettingsError, TailraceError
from contracts.settings import Settings
from curation.engine import make_engine
from curation.judge.bench import Bench
from curation.nightly import DropResult, make_drop
from curation.weights import resolve_model
from sinks.drops.manifest import MANIFEST_FILE, sha256
from sinks.lake import Lake
from streams.outputs import ID_HEADER
from streams.reactions.stats import ReactionStats
from streams.reactions.threads import in_thread

log = logging.getLogger("tailrace.nightly")

_ANNOUNCED: Final = ".announced-"


class NightlyReactions:
    """Builds and announces the drop on `settings.nightly.cron`, on the leader only."""

    def __init__(self, app: Any, settings: Settings, lake: Lake, stats: ReactionStats) -> None:
        """Raises `SettingsError` when the schedule is no cron expression."""
        self._settings = settings
        self._lake = lake
        self._stats = stats
        self._announcing = asyncio.Lock()
        self._topic = app.topic(topics.DROPS, key_serializer="raw", value_serializer="raw")
        if settings.nightly.enabled:
            _check(settings.nightly.cron)
            app.crontab(settings.nightly.cron, on_leader=True)(self.run)

    async def run(self) -> DropResult | None:
        """Build tonight's drop and announce it; None when that failed.

        Safe to call at any time, twice at once, and on several workers: the same inputs make the same
        drop, which is registered once. An announcement that a crash prevented is made up for.
        """
        try:
            result = await in_thread(self._build, name="tailrace-nightly")
            await self._announce(result)
        except TailraceError as error:
            self._stats.drops["failed"] += 1
            log.error("no drop tonight: %s%s", error, f" ({error.hint})" if error.hint else "")
            return None
        except Exception as error:
            # Raised, it would end the schedule for good.
            self._stats.drops["failed"] += 1
            log.error("no drop tonight: %s", type(error).__name__, exc_info=error)
            return None
        self._stats.drops["published" if result.new else "unchanged"] += 1
        return result

    def _build(self) -> DropResult:
        settings = self._settings
        return make_drop(
            self._lake,
            settings.drops_root,
            settings,
            Bench.from_settings(settings),
            now_us=time.time_ns() // 1_000,
            engine=make_engine(settings.nightly),
            model=resolve_model(settings),
        )

    async def _announce(self, result: DropResult) -> None:
        marker = self._settings.drops_root / f"{_ANNOUNCED}{result.drop_id}"
        async with self._announcing:
            if marker.exists():
                return
            headers = [(ID_HEADER, result.drop_id.encode())]
            channel = self._settings.curation.channel
            try:
                await (
                    await self._topic.send(
                        key=channel.encode(), value=announcement(result, channel), headers=headers
                    )
                )
            except Exception as error:
                raise BrokerUnavailable(
                    f"drop {result.drop_id} is published but could not be announced: {type(error).__name__}",
                    hint="The next run announces it.",
                ) from error
            marker.touch()
            log.info("drop %s is published and announced", result.drop_id)


def announcement(result: DropResult, channel: str) -> bytes:
    """The value of a message on `tailrace.drops`."""
    return msgspec.json.encode(
        {
            "drop_id": result.drop_id,
            "channel": channel,
            "path": str(result.folder),
            "counts": {
                "preference": result.preference_rows,
                "unpaired": result.unpaired_rows,
                "quarantined": result.quarantined_rows,
            },
            "manifest_sha256": sha256(result.folder / MANIFEST_FILE),
        }
    )


def _check(cron: str) -> None:
    try:
        secs_for_next(cron)
    except (ValueError, KeyError):
        raise SettingsError(
            f"nightly.cron is no cron expression: {cron}", hint='Five fields, e.g. "30 2 * * *".'
        ) from None
