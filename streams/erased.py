"""Events of erased people on their way in: refused, and counted without their content.

Each becomes a dead letter that keeps its place and the reason, so that every consumed event is still
accounted for; key and value, which would be the person's data again, are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import polars as pl

from contracts import reasons
from contracts.tables import frame_schema
from sinks.tombstones import Tombstones
from streams.checkpoint import Checkpoint
from streams.decoding import Decoded

_DETAIL: Final = "its person was erased"
_FIRST: Final = "requests"


def refuse(decoded: Decoded, tombstones: Tombstones, topics: Mapping[str, str]) -> Decoded:
    """The micro-batch without events of erased people, and dead letters in their place.

    `topics`: kind → topic. A refused request teaches its ids: evidence that names no user is then known by
    its request or session, also in later batches of this process.
    """
    if not tombstones:
        return decoded
    letters = [_emptied(decoded.dead_letters, tombstones)]
    frames = {}
    for kind, (kept, refused) in _sorted_out(decoded.frames, tombstones).items():
        frames[kind] = kept
        letters.append(_letters(topics[kind], refused))
    return replace(decoded, frames=frames, dead_letters=pl.concat(letters))


def without_erased(checkpoint: Checkpoint, tombstones: Tombstones) -> Checkpoint:
    """The checkpoint without rows of people who were erased while it was made."""
    # Read first: what is learned of meanwhile is looked for at the commit.
    cleared = tombstones.version
    letters = [_emptied(checkpoint.dead_letters, tombstones)]
    rows = {kind: frame for kind, (_, frame) in checkpoint.bronze.items()}
    bronze = {}
    for kind, (kept, refused) in _sorted_out(rows, tombstones).items():
        topic = checkpoint.bronze[kind][0]
        bronze[kind] = (topic, kept)
        letters.append(_letters(topic, refused))
    interactions = checkpoint.interactions
    return replace(
        checkpoint,
        bronze=bronze,
        dead_letters=pl.concat(letters),
        interactions=interactions.filter(~tombstones.hits("interactions", interactions)),
        cleared=cleared,
    )


def _sorted_out(
    frames: Mapping[str, pl.DataFrame], tombstones: Tombstones
) -> dict[str, tuple[pl.DataFrame, pl.DataFrame]]:
    """By kind: the rows that may come in, and those that are refused."""
    hits: dict[str, pl.Series] = {}
    if _FIRST in frames:
        requests = frames[_FIRST]
        hits[_FIRST] = tombstones.hits(_FIRST, requests)
        if hits[_FIRST].any():
            # What follows is known by them, further requests of their sessions included.
            _learn(requests, hits[_FIRST], tombstones)
            hits[_FIRST] = tombstones.hits(_FIRST, requests)
            tombstones.learn("request", requests.filter(hits[_FIRST])["request_id"])
    for kind, frame in frames.items():
        if kind != _FIRST:
            hits[kind] = tombstones.hits(kind, frame)
    return {kind: (frame.filter(~hits[kind]), frame.filter(hits[kind])) for kind, frame in frames.items()}


def _learn(requests: pl.DataFrame, hit: pl.Series, tombstones: Tombstones) -> None:
    refused, others = requests.filter(hit), requests.filter(~hit)
    shared = others.filter(pl.col("user_key").is_not_null())["session_id"]
    tombstones.learn("request", refused["request_id"])
    tombstones.learn(
        "session", refused.filter(~pl.col("session_id").is_in(shared.unique().implode()))["session_id"]
    )


def _letters(topic: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Dead letters of refused rows: their place and nothing else."""
    return rows.select(
        "partition",
        "offset",
        "received_at",
        topic=pl.lit(topic),
        date=pl.col("received_at").dt.date(),
        reason=pl.lit(reasons.ERASED),
        field=pl.lit(""),
        detail=pl.lit(_DETAIL),
        key=pl.lit(None, dtype=pl.Binary),
        value=pl.lit(None, dtype=pl.Binary),
    ).select(list(frame_schema("dead_letters")))


def _emptied(letters: pl.DataFrame, tombstones: Tombstones) -> pl.DataFrame:
    """Dead letters; those of erased people without key, value and what was wrong with them."""
    hit = tombstones.hits("dead_letters", letters)
    if not hit.any():
        return letters
    nothing = pl.lit(None, dtype=pl.Binary)
    gone = letters.filter(hit).with_columns(
        reason=pl.lit(reasons.ERASED), field=pl.lit(""), detail=pl.lit(_DETAIL), key=nothing, value=nothing
    )
    return pl.concat([letters.filter(~hit), gone])
