"""Events of erased people on their way in: refused, counted, and kept without their content."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from contracts import reasons
from contracts.errors import PersonErased
from contracts.settings import JoinSettings, KafkaSettings, RetentionSettings, Settings
from contracts.tables import frame_schema
from curation.erasure.place import Place, Subject
from curation.erasure.run import erase
from curation.scoring import DEFAULT_MODEL
from sinks.accounting import account
from sinks.lake import Lake
from sinks.transactions import append_messages, append_once, append_revisions
from streams.decoding import Decoder, RawMessage
from streams.erased import without_erased
from streams.identity import Identity
from streams.join_pipeline import Batch, JoinPipeline, JoinStats
from tests.factories import START_US, consent_event, outcome_event, request_event, signal_event, table_rows
from tests.lakes import HORIZON_US, KINDS, TOPICS, new_lake

IDENTITY = Identity(b"test", held_out_share=0.0)
ANNA = Subject(IDENTITY.user_key("user-anna-1"), "user-anna-1")
Events = list[tuple[str, dict[str, Any]]]


def messages(events: Iterable[tuple[str, Any]], first: int = 0) -> list[RawMessage]:
    made = []
    for n, (kind, event) in enumerate(events):
        value = event if isinstance(event, bytes) else msgspec.json.encode(event)
        key = b"" if isinstance(event, bytes) else str(event.get("session_id", "")).encode()
        made.append(RawMessage(TOPICS[KINDS[kind]], 0, first + n, START_US, key, value))
    return made


class Stream:
    """The worker's own path from messages to the lake, without a broker."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        lake.tombstones.know(lambda: IDENTITY)
        self.settings = Settings(join=JoinSettings())
        self.pipeline = JoinPipeline(self.settings, TOPICS, DEFAULT_MODEL, lake.tombstones)
        self.pipeline.assign([0], pl.Series("request_id", [], dtype=pl.String), {})
        self.stats = JoinStats()

    def process(self, batch: list[RawMessage], *, close: bool = True, refresh: bool = True) -> Any:
        decoder = Decoder(KafkaSettings(), IDENTITY)
        decoder.feed(batch, now_us=START_US)
        if refresh:
            self.lake.tombstones.refresh(self.lake)
        return self.pipeline.process(
            Batch(
                decoded=decoder.take(),
                now_us=START_US,
                positions={(topic, 0): len(batch) for topic in TOPICS.values()},
                quiet_since={},
                close=close,
            ),
            self.stats,
        )

    def store(self, checkpoint: Any, name: str) -> None:
        for kind, (topic, rows) in checkpoint.bronze.items():
            bronze = rows.select(list(frame_schema(kind)))
            append_messages(self.lake, kind, f"{topic}@{name}", bronze, cleared=checkpoint.cleared)
        for (topic,), rows in checkpoint.dead_letters.group_by("topic"):
            append_messages(self.lake, "dead_letters", f"{topic}@{name}", rows, cleared=checkpoint.cleared)
        append_revisions(
            self.lake, checkpoint.interactions, watermarks=checkpoint.watermarks, cleared=checkpoint.cleared
        )

    def run(self, batch: list[RawMessage], name: str) -> None:
        self.store(self.process(batch), name)


def traffic() -> Events:
    """Anna and Bert, each with a session; evidence with and without a user; a session they share."""
    events: Events = []
    for user, session in (("user-anna-1", "session-anna"), ("user-bert-2", "session-bert")):
        name = session.removeprefix("session-")
        events += [
            ("request", request_event(f"request-{name}", session_id=session, user_id=user)),
            ("request", request_event(f"anonymous-{name}", session_id=session, seconds=5)),
            ("signal", signal_event(f"signal-{name}", session_id=session, user_id=user)),
            ("signal", signal_event(f"loose-{name}", session_id=session)),
            ("outcome", outcome_event(f"outcome-{name}", session_id=session)),
            ("consent", consent_event(f"consent-{name}", user_id=user)),
        ]
        by_request = outcome_event(f"named-{name}", request_id=f"request-{name}")
        del by_request["session_id"]
        events.append(("outcome", by_request))
    shared = {"session_id": "session-shared"}
    events += [
        (
            "request",
            request_event("shared-bert", user_id="user-bert-2", prompt="b asks", response="b gets", **shared),
        ),
        ("signal", signal_event("on-bert", seconds=2, **shared)),
        (
            "request",
            request_event(
                "shared-anna", user_id="user-anna-1", seconds=60, prompt="anna asks this", **shared
            ),
        ),
        ("signal", signal_event("on-anna", seconds=70, **shared)),
    ]
    return events


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "home" / "lake")


def place(lake: Lake, tmp_path: Path) -> Place:
    settings = Settings(home=tmp_path / "home", retention=RetentionSettings(grace_seconds=0))
    return Place(Lake(lake.root, hashes=lambda: IDENTITY), settings, IDENTITY)


def ids(lake: Lake) -> set[str]:
    found: set[str] = set()
    for name in ("requests", "signals", "outcomes", "consents"):
        column = "request_id" if name == "requests" else "event_id"
        found |= set(lake.scan(name).collect()[column])
    return found


THEIRS = {
    *("request-anna", "anonymous-anna", "signal-anna", "loose-anna", "outcome-anna", "consent-anna"),
    *("named-anna", "shared-anna", "on-anna"),
}


def test_a_replay_of_the_topics_adds_nothing_of_the_person_and_all_of_the_others(
    lake: Lake, tmp_path: Path
) -> None:
    Stream(lake).run(messages(traffic()), "first")
    assert ids(lake) >= THEIRS
    assert erase(place(lake, tmp_path), ANNA).absent
    left = ids(lake)
    assert not left & THEIRS
    # The topics were made anew and filled from an archive: other offsets, the same events.
    Stream(Lake(lake.root)).run(messages(traffic()), "second")
    assert ids(lake) == left
    letters = lake.scan("dead_letters").collect()
    assert set(letters["reason"]) == {reasons.ERASED}
    assert letters.height == len(THEIRS)
    assert letters["key"].null_count() == letters["value"].null_count() == letters.height
    assert set(lake.interactions().collect()["request_id"]) == {
        "request-bert",
        "anonymous-bert",
        "shared-bert",
    }
    assert erase(place(lake, tmp_path), ANNA).absent


def test_every_replayed_event_is_accounted_for(tmp_path: Path) -> None:
    lake = new_lake(tmp_path / "home" / "lake")
    assert erase(place(lake, tmp_path), ANNA).absent
    Stream(lake).run(messages(traffic()), "first")
    counted = account(lake, horizon_us=HORIZON_US)
    assert counted.consumed == len(traffic())
    # Never seen before: what names no user is known by the request or session that was refused.
    theirs = {"request-anna", "anonymous-anna", "shared-anna", "on-anna"} | {e for e in THEIRS if "anna" in e}
    assert counted.dead_letter >= len(theirs) - 2
    assert "request-anna" not in ids(lake)
    assert "named-anna" not in ids(lake)


def test_broken_messages_of_the_person_keep_no_bytes(lake: Lake, tmp_path: Path) -> None:
    assert erase(place(lake, tmp_path), ANNA).absent
    broken = [
        ("signal", b'{"user_id": "user-anna-1", "kind": 3'),
        ("signal", b'{"user_id": "user-bert-2", "kind": 3'),
        ("request", {"user_id": "user-anna-1", "feature": "x"}),
    ]
    Stream(lake).run(messages(broken), "first")
    letters = lake.scan("dead_letters").sort("topic", "offset").collect()
    kept = letters.filter(pl.col("value").is_not_null())
    assert kept["value"].to_list() == [broken[1][1]]
    assert letters.filter(reason=reasons.ERASED).height == 2
    assert "anna" not in str(letters.to_dicts())


def test_a_window_that_was_open_at_the_erasure_settles_without_the_person(lake: Lake, tmp_path: Path) -> None:
    stream = Stream(lake)
    stream.store(stream.process(messages(traffic()), close=False), "first")
    assert lake.interactions().collect().is_empty()
    assert erase(place(lake, tmp_path), ANNA).absent
    stream.store(stream.process([]), "first")
    assert set(lake.interactions().collect()["request_id"]) == {
        "request-bert",
        "anonymous-bert",
        "shared-bert",
    }


def test_a_writer_that_does_not_know_yet_is_stopped_at_the_commit(lake: Lake, tmp_path: Path) -> None:
    stream = Stream(lake)
    checkpoint = stream.process(messages(traffic()), refresh=False)
    assert erase(place(lake, tmp_path), ANNA).absent
    with pytest.raises(PersonErased):
        stream.store(checkpoint, "first")
    stream.store(without_erased(checkpoint, lake.tombstones), "first")
    # The sessions were never in the lake: only what names the user, or what the refused requests teach.
    assert not ids(lake) & {
        "request-anna",
        "signal-anna",
        "consent-anna",
        "shared-anna",
        "loose-anna",
        "named-anna",
    }
    assert "request-anna" not in set(lake.interactions().collect()["request_id"])


@pytest.mark.parametrize(
    "name", ["requests", "signals", "consents", "interactions", "examples", "example_sketches"]
)
def test_no_append_by_anybody_brings_the_person_back(lake: Lake, tmp_path: Path, name: str) -> None:
    Stream(lake).run(messages(traffic()), "first")
    held = Lake(lake.root)
    assert erase(place(lake, tmp_path), ANNA).absent
    with pytest.raises(PersonErased):
        append_once(held, name, table_rows(name, [{"user_key": ANNA.user_key}]), batch_id="late")
    append_once(
        held, name, table_rows(name, [{"user_key": IDENTITY.user_key("user-bert-2")}]), batch_id="late"
    )


def test_rows_that_name_no_user_are_known_by_their_hashes(lake: Lake, tmp_path: Path) -> None:
    Stream(lake).run(messages(traffic()), "first")
    assert erase(place(lake, tmp_path), ANNA).absent
    held = Lake(lake.root, hashes=lambda: IDENTITY)
    for name, row in (
        ("judgments", {"request_id": "request-anna"}),
        ("quarantine", {"request_ids": ["anonymous-anna"]}),
    ):
        with pytest.raises(PersonErased):
            append_once(held, name, table_rows(name, [row]), batch_id="late")
    append_once(held, "judgments", table_rows("judgments", [{"request_id": "request-bert"}]), batch_id="late")
