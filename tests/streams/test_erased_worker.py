"""The join worker itself, against a broker: an erased person's replayed events are refused and counted."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from contracts import reasons
from contracts.settings import RetentionSettings
from curation.erasure.place import Place, Subject
from curation.erasure.run import erase
from sinks.accounting import account
from sinks.lake import Lake
from streams.identity import Identity
from tests.brokers import Make
from tests.streams.lake_of_events import create_topics, produce, run, settings_for, traffic

IDENTITY = Identity(b"key", held_out_share=0.1)
USER = "u0"


def test_replayed_events_of_an_erased_person_are_refused_and_counted(
    kafka_settings: Make, tmp_path: Path
) -> None:
    kafka = kafka_settings()
    settings = settings_for(kafka, tmp_path / "home")
    settings = settings.model_copy(update={"retention": RetentionSettings(grace_seconds=0)})
    lake = Lake(settings.lake_root)
    lake.create()
    create_topics(kafka)
    events = traffic(sessions=8)
    produce(kafka, events)
    run(settings, lake)
    before = account(lake, horizon_us=settings.join.horizon_us)
    assert before.consumed == len(events)
    key = IDENTITY.user_key(USER)
    theirs = lake.scan("requests").filter(user_key=key).collect()
    assert theirs.height
    rows = sum(
        lake.scan(name).select(pl.len()).collect().item() for name in ("requests", "signals", "outcomes")
    )
    place = Place(Lake(settings.lake_root, hashes=lambda: IDENTITY), settings, IDENTITY)
    done = erase(place, Subject(key, USER))
    assert done.absent
    left = sum(
        lake.scan(name).select(pl.len()).collect().item() for name in ("requests", "signals", "outcomes")
    )
    gone = rows - left
    assert gone > theirs.height
    produce(kafka, events)
    run(settings, lake)
    assert lake.scan("requests").filter(user_key=key).collect().is_empty()
    sessions = set(theirs["session_id"])
    for name in ("signals", "outcomes", "interactions"):
        assert not sessions & set(lake.scan(name).collect()["session_id"])
    letters = lake.scan("dead_letters").filter(reason=reasons.ERASED).collect()
    assert letters.height == gone
    assert letters["value"].null_count() == letters["key"].null_count() == gone
    after = account(lake, horizon_us=settings.join.horizon_us)
    assert after.consumed == 2 * len(events) - gone
