"""Events through the real decoder, for tests that need its frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from contracts.settings import KafkaSettings
from streams.decoding import Decoder, input_topics
from streams.identity import Identity
from tests.factories import START_US, message


def decoded_frames(events: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, pl.DataFrame]:
    """Frames by kind of (kind, event) pairs, all on partition 0, offsets in the order given."""
    kafka = KafkaSettings()
    topics = {kind: topic for kind, (topic, _) in input_topics(kafka).items()}
    decoder = Decoder(kafka, Identity(b"key", held_out_share=0.0))
    decoder.feed(
        [message(topics[kind], event, offset=i, partition=0) for i, (kind, event) in enumerate(events)],
        now_us=START_US,
    )
    decoded = decoder.take()
    assert decoded.dead_letters.is_empty(), decoded.dead_letters["detail"].to_list()
    return decoded.frames
