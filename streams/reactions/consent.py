"""The consent Table: what users allow right now, ahead of what has reached the lake."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import polars as pl

from contracts.errors import EventInvalid
from contracts.events import ConsentChanged
from contracts.settings import Settings
from contracts.validation import SECOND, check, decode_json
from curation.revocations import Revocation
from streams.identity import Identity
from streams.reactions.failures import CONSENT_SCHEMA
from streams.reactions.revocations import RevocationReactions
from streams.reactions.stats import ReactionStats

log = logging.getLogger("tailrace.reactions")

TABLE: Final = "consents"
_decoder: Final = msgspec.json.Decoder(ConsentChanged)


class ConsentReactions:
    """Keeps the latest change per user pseudonym and scope, on every worker.

    Sessions and users are keyed differently, so the worker that judges a failure seldom owns its
    user's partition of `consent.events`: hence a global table. Its changelog has one partition and is
    recovered event by event, as Faust asks for with several workers.
    """

    def __init__(
        self,
        app: Any,
        settings: Settings,
        identity: Identity,
        stats: ReactionStats,
        revocations: RevocationReactions,
    ) -> None:
        self._revocations = revocations
        self._purpose = settings.curation.purpose
        self._kafka = settings.kafka
        self._identity = identity
        self._stats = stats
        self._table = app.GlobalTable(
            TABLE,
            key_type=str,
            partitions=1,
            use_partitioner=True,
            recovery_buffer_size=1,
            help="latest consent change per user and scope",
        )
        topic = app.topic(
            settings.kafka.consents_topic, key_serializer="raw", value_serializer="raw", allow_empty=True
        )
        app.agent(topic, name="consent", concurrency=1)(self._follow)

    def __len__(self) -> int:
        """Users and scopes known here, whichever worker took them in."""
        return len(self._table)

    async def _follow(self, stream: Any) -> None:
        # No `take`: tables cannot be written inside it. We acknowledge: a revocation has to be acted upon.
        async for event in stream.noack().events():
            # An exception would end the agent: nothing may escape.
            try:
                revocation = self._note(event.value)
            except Exception as error:  # noqa: BLE001
                self._stats.poison[event.message.topic] += 1
                log.error("a consent change could not be noted: %s", type(error).__name__)
                revocation = None
            if revocation is None:
                event.ack()
            else:
                await self._revocations.put(event, revocation)

    def _note(self, value: bytes | None) -> Revocation | None:
        """Take in one message; what it revokes of our purpose. Invalid ones are only counted: the join
        dead-letters them. A repeat of the latest change counts again: its effects may be missing."""
        try:
            change = decode_json(_decoder, value, max_bytes=self._kafka.max_value_bytes)
            at_us = check(change, now_us=time.time_ns() // 1_000)
        except EventInvalid:
            self._stats.consents["invalid"] += 1
            return None
        user_key = self._identity.user_key(change.user_id)
        key = _key(user_key, change.scope)
        known = self._table.get(key)
        if known is not None and known["at_us"] > at_us:
            self._stats.consents["outdated"] += 1
            return None
        self._table[key] = {
            "granted": change.granted,
            "at_us": at_us,
            "policy_version": change.policy_version,
        }
        self._stats.consents["granted" if change.granted else "revoked"] += 1
        if change.granted or change.scope != self._purpose:
            return None
        return Revocation(user_key, change.scope, change.policy_version, _moment(at_us))

    def changes(self, user_keys: Iterable[str], scope: str) -> pl.DataFrame:
        """The latest change of each of these users for one scope, where known (`CONSENT_SCHEMA`). Any thread
        may ask."""
        latest = ((user_key, self._table.get(_key(user_key, scope))) for user_key in user_keys)
        rows = [
            {
                "user_key": user_key,
                "scope": scope,
                "granted": known["granted"],
                "policy_version": known["policy_version"],
                "occurred_at": _moment(known["at_us"]),
            }
            for user_key, known in latest
            if known is not None
        ]
        return pl.DataFrame(rows, schema=CONSENT_SCHEMA)


def _key(user_key: str, scope: str) -> str:
    return f"{user_key}/{scope}"


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us // SECOND, UTC).replace(microsecond=us % SECOND)
