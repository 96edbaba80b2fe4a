"""The checkpoint protocol of the join worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from contracts.alerts import Alert
from contracts.errors import TerminalError
from contracts.tables import frame_schema
from sinks.lake import Lake
from sinks.transactions import append_messages, append_revisions, new_revisions
from streams.alert_outputs import AlertOutputs
from streams.isolation import Poison
from streams.outputs import Outputs
from streams.poison import PoisonLetters

Place = tuple[str, int]


class Commits(Protocol):
    """Whatever commits Kafka offsets."""

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit restart offsets; raises a transient error when the broker does not answer."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything one micro-batch has to make durable.

    `bronze`: kind → (topic, rows); `dead_letters` and `interactions`: table rows; `restart`: the
    lowest offset still needed per place; `recheck`: whether some interactions may already be in the
    lake although nobody else wrote (requests that arrived long after their time); `poison`: events
    that a later step cannot take, left out of the interactions; `cleared`: version of the tombstones by which
    rows of erased people were sorted out; `alerts`: those of its signals.
    """

    bronze: Mapping[str, tuple[str, pl.DataFrame]]
    dead_letters: pl.DataFrame
    interactions: pl.DataFrame
    watermarks: Mapping[int, int]
    restart: Mapping[Place, int]
    recheck: bool = False
    poison: tuple[Poison, ...] = ()
    cleared: int | None = None
    alerts: tuple[Alert, ...] = ()


class Committer:
    """Makes checkpoints durable; safe to repeat from the start after any failure."""

    def __init__(
        self,
        lake: Lake,
        outputs: Outputs,
        offsets: Commits,
        origins: Mapping[str, str],
        *,
        letters: PoisonLetters | None = None,
        alerts: AlertOutputs | None = None,
        step: Callable[[str], None] | None = None,
    ) -> None:
        """`origins`: topic → its incarnation (`streams.origins`); `letters` stores poison, without it
        there must be none; `alerts` has them sent, without it they are not; `step` is told of every step
        done."""
        self._lake = lake
        self._outputs = outputs
        self._offsets = offsets
        self._origins = origins
        self._letters = letters
        self._alerts = alerts
        self._step = step or (lambda _: None)
        self._written: dict[str, int] = {}

    def forget(self) -> None:
        """Partitions moved: do not trust the memory of what was written last."""
        self._written.clear()

    def store(self, checkpoint: Checkpoint) -> None:
        """Make a checkpoint durable in this order, so that a crash after any step loses and repeats nothing.

        0. See that the alerts arrived. First: whoever reads these signals again, and finds them stored,
           may take it that their alerts are out.
        1. Append poison to the dead letters, each event once. Before bronze: what follows is made without it,
           and after a restart nothing else would tell.
        2. Append bronze and dead letters; offsets already stored are skipped.
        3. Produce the outputs and wait for the broker. A crash before 4 produces them again, with
           the same ids.
        4. Append interactions; pairs (request, revision) already stored are skipped.
        5. `release`, on the thread that owns the consumer.
        """
        if checkpoint.alerts and self._alerts is not None:
            self._alerts.ensure(checkpoint.alerts)
            self._step("alerts")
        dead_letters = checkpoint.dead_letters
        if checkpoint.poison:
            if self._letters is None:
                raise TerminalError(f"{len(checkpoint.poison)} poison events and nowhere to put them")
            dead_letters = pl.concat([dead_letters, self._letters.store(checkpoint.poison)])
            self._step("poison")
        for kind, (topic, rows) in checkpoint.bronze.items():
            bronze = rows.select(list(frame_schema(kind)))
            append_messages(self._lake, kind, self._origins[topic], bronze, cleared=checkpoint.cleared)
            self._step(f"bronze:{kind}")
        for (topic,), rows in checkpoint.dead_letters.group_by("topic"):
            append_messages(
                self._lake,
                "dead_letters",
                self._origins[str(topic)],
                rows,
                cleared=checkpoint.cleared,
            )
        self._step("bronze:dead_letters")
        interactions = self._lake.pseudonyms.current(checkpoint.interactions)
        if checkpoint.recheck:
            # A repeat of a request that was settled and forgotten: it has been announced already.
            interactions = new_revisions(self._lake, interactions)
        self._outputs.dead_letters(dead_letters)
        self._outputs.interactions(interactions)
        self._outputs.flush()
        self._step("outputs")
        append_revisions(
            self._lake,
            interactions,
            watermarks=checkpoint.watermarks,
            written={} if checkpoint.recheck else self._written,
            cleared=checkpoint.cleared,
        )
        self._step("interactions")

    def release(self, checkpoint: Checkpoint) -> None:
        """Commit the restart offsets of a stored checkpoint: only now may Kafka forget.

        On the thread that polls: the consumer takes calls one at a time, and a commit from another
        thread would wait for a moment without polling that never comes. Raises a transient error when
        the broker does not answer; the next checkpoint commits then.
        """
        self._offsets.commit(checkpoint.restart)
        self._step("offsets")
