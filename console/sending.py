"""Sending a stream of raw events with a progress bar."""

from __future__ import annotations

from collections.abc import Iterable

from console.terminal import progress_bar
from contracts.settings import Settings
from streams.emitter import Emitter
from streams.recordings import RawEvent


def send(
    settings: Settings, events: Iterable[RawEvent], *, total: int | None = None, quiet: bool = False
) -> int:
    """Send events to the configured broker and wait until all are acknowledged; returns how many.

    Raises `BrokerUnavailable` or `DeliveryFailed`.
    """
    sent = 0
    with progress_bar(quiet=quiet) as progress, Emitter(settings=settings.kafka) as emitter:
        task = progress.add_task("sending events", total=total)
        for event in events:
            emitter.send_raw(event.topic, event.key, event.value)
            sent += 1
            if sent % 500 == 0:
                progress.update(task, completed=sent)
    return sent
