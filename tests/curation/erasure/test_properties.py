"""Random small lakes: after an erasure nothing of the person is found, and everybody else is untouched."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.settings import LakeSettings
from contracts.tables.persons import personal_tables
from sinks.maintenance_compaction import merge
from sinks.maintenance_layout import Step, day_files
from tests.curation.erasure.world import World
from tests.factories import consent_event, outcome_event, request_event, signal_event

PEOPLE = ("anna", "bert", "cleo")
DAY_S = 86_400

Event = tuple[str, dict[str, Any]]
Life = st.fixed_dictionaries(
    {
        "who": st.sampled_from(PEOPLE),
        "named": st.booleans(),
        "day": st.integers(0, 2),
        "signals": st.lists(st.sampled_from(["edit", "copy", "regenerate"]), max_size=2),
        "signals_named": st.booleans(),
        "by_request": st.booleans(),
        "outcome": st.sampled_from([None, True, False]),
    }
)


def session_events(number: int, life: dict[str, Any]) -> list[Event]:
    """A session of one person: the first request names its user, the second perhaps."""
    who, at = life["who"], life["day"] * DAY_S + number * 10
    tag = f"{who}-of-session-{number}"
    session = f"session-{tag}"
    user = {"user_id": f"user-{who}-id"}
    first = request_event(
        f"request-{tag}",
        seconds=at,
        session_id=session,
        event_id=f"logged-{tag}",
        prompt=f"Will {tag} ever get an answer to this question?",
        **user,
    )
    second = request_event(
        f"request-{tag}-2",
        seconds=at + 5,
        session_id=session,
        event_id=f"logged-{tag}-2",
        **(user if life["named"] else {}),
    )
    events: list[Event] = [("request", first), ("request", second)]
    for n, kind in enumerate(life["signals"]):
        more: dict[str, Any] = (
            {"text": f"An edit that nobody but {tag} could make."} if kind == "edit" else {}
        )
        more |= user if life["signals_named"] else {}
        more |= {"request_id": f"request-{tag}"} if life["by_request"] else {}
        events.append(
            (
                "signal",
                signal_event(f"signal-{tag}-{n}", seconds=at + 7 + n, session_id=session, kind=kind, **more),
            )
        )
    if life["outcome"] is not None:
        event = outcome_event(f"outcome-{tag}", seconds=at + 9, session_id=session, success=life["outcome"])
        events.append(("outcome", event))
    events.append(("consent", consent_event(f"consent-{tag}", seconds=at, **user)))
    return events


@settings(max_examples=6)
@given(
    lives=st.lists(Life, min_size=1, max_size=6),
    merged=st.booleans(),
    dropped=st.booleans(),
    who=st.sampled_from(PEOPLE),
)
def test_nothing_of_the_person_is_left_and_others_are_untouched(
    lives: list[dict[str, Any]], merged: bool, dropped: bool, who: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "home")
        for number, life in enumerate(lives):
            world.ingest(session_events(number, life))
        if dropped:
            world.drop()
        if merged:
            _merge(world)
        before = world.rows()
        done = world.erase(f"user-{who}-id")
        assert done.absent, done.certificate["scan"]
        assert world.traces(f"{who}-of-session") == []
        assert world.traces(f"user-{who}-id") == []
        after = world.rows()
        successors = [about["successor"] for about in done.certificate["drops"].values()]
        for name, rows in before.items():
            kept = rows.filter([f"{who}-of-session" not in str(row) for row in rows.iter_rows()])
            now = after[name]
            if "drop_id" in now.columns:
                now = now.filter(~pl.col("drop_id").is_in(successors))
            if name == "consents":
                kept = kept.filter(pl.col("user_key") != world.key(f"user-{who}-id"))
            if name in ("lineage", "example_sketches", "preferences"):
                # Named by hashes of content as well: `test_erase` compares them one by one.
                assert now.height <= kept.height
            else:
                # A row that only mentioned the person stays, and says so.
                untouched = now.filter(["'erased'" not in str(row) for row in now.iter_rows()])
                assert kept.equals(untouched), name


def _merge(world: World) -> None:
    options = LakeSettings()
    for name in personal_tables():
        for day in day_files(name, world.lake.table(name)):
            merge(world.lake, Step(day, options.target_file_bytes), options)
        world.lake.table(name).create_checkpoint()
