"""Telling `tailrace.drops` about a drop, once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts import topics
from contracts.errors import BrokerUnavailable
from streams.outputs import ID_HEADER

log = logging.getLogger("tailrace.nightly")

_ANNOUNCED: Final = ".announced-"


class Announcements:
    """Announces registered drops. A marker beside the drop says that it was done."""

    def __init__(self, app: Any, drops_root: Path) -> None:
        self._drops_root = drops_root
        self._topic = app.topic(topics.DROPS, key_serializer="raw", value_serializer="raw")
        self._one_at_a_time = asyncio.Lock()

    async def announce(self, row: Mapping[str, Any]) -> None:
        """Announce a drop by its registry row, unless that was done. Raises `BrokerUnavailable`.

        A crash between the broker's acknowledgement and the marker repeats it, with the same id.
        """
        drop_id, channel = str(row["drop_id"]), str(row["channel"])
        marker = self._drops_root / f"{_ANNOUNCED}{drop_id}"
        async with self._one_at_a_time:
            if marker.exists():
                return
            value = announcement(row, self._drops_root)
            headers = [(ID_HEADER, drop_id.encode())]
            try:
                await (await self._topic.send(key=channel.encode(), value=value, headers=headers))
            except Exception as error:
                raise BrokerUnavailable(
                    f"drop {drop_id} is published but could not be announced: {type(error).__name__}",
                    hint="The next attempt announces it.",
                ) from error
            marker.touch()
            log.info("drop %s is published and announced", drop_id)


def announcement(row: Mapping[str, Any], drops_root: Path) -> bytes:
    """The value of a message on `tailrace.drops`, from the drop's registry row."""
    return msgspec.json.encode(
        {
            "drop_id": row["drop_id"],
            "channel": row["channel"],
            "path": str(drops_root / row["path"]),
            "counts": {
                "preference": row["preference_rows"],
                "unpaired": row["unpaired_rows"],
                "quarantined": row["quarantined_rows"],
            },
            "manifest_sha256": row["manifest_sha256"],
        }
    )
