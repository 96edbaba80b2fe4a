"""Dead letters by reason and topic: our own words only, however wild what arrives."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from contracts import reasons
from streams.reactions.letter_stats import MOST_FIELDS, LetterStats

CODES = [*reasons.DESCRIPTIONS, "made up", ""]
TOPICS = ["llm.requests", "user.signals", "else.where"]


class Families:
    """What a registry wants of a collector."""

    def __init__(self, stats: LetterStats) -> None:
        self.stats = stats

    def collect(self) -> list:
        return self.stats.metrics()


@given(
    st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(TOPICS), st.text(max_size=200)), max_size=80)
)
def test_counts_add_up_and_labels_are_bounded(seen: list[tuple[str, str, str]]) -> None:
    stats = LetterStats(TOPICS[:2])
    for i, (reason, topic, path) in enumerate(seen):
        stats.note(reason, topic, path, at_s=1e9 + i, now_s=2e9)
    told = stats.as_dict(2e9)
    wanted = Counter(
        (r if r in reasons.DESCRIPTIONS else "other", t if t in TOPICS[:2] else "other") for r, t, _ in seen
    )
    assert {(row["reason"], row["topic"]): row["count"] for row in told["by_reason"]} == wanted
    assert all(row["last_hour"] == row["count"] for row in told["by_reason"])
    assert told["per_minute"][-1] == len(seen)
    assert sum(told["per_minute"]) == len(seen)
    registry = CollectorRegistry()
    registry.register(Families(stats))
    text = generate_latest(registry).decode()
    assert text.count("tailrace_dead_letters_total{") == len(wanted)


def test_first_and_last_seen_and_the_fields_of_schema_errors() -> None:
    stats = LetterStats(TOPICS)
    for at, path in ((30.0, "$.model"), (10.0, "$.usage"), (20.0, "$.model")):
        stats.note(reasons.SCHEMA, "llm.requests", path, at_s=at, now_s=60.0)
    stats.note(reasons.TOMBSTONE, "llm.requests", "$.ignored", at_s=5.0, now_s=7_200.0)
    told = stats.as_dict(7_200.0)
    schema = next(row for row in told["by_reason"] if row["reason"] == reasons.SCHEMA)
    assert (schema["first_seen"], schema["last_seen"]) == ("1970-01-01T00:00:10Z", "1970-01-01T00:00:30Z")
    assert (schema["count"], schema["last_hour"]) == (3, 0)
    assert list(told["schema_fields"].items()) == [("$.model", 2), ("$.usage", 1)]


def test_fields_are_bounded() -> None:
    stats = LetterStats(TOPICS)
    for i in range(2 * MOST_FIELDS):
        stats.note(reasons.SCHEMA, "llm.requests", f"$.f{i}", at_s=0.0, now_s=0.0)
    assert stats.as_dict(0.0)["schema_fields"]["other"] == MOST_FIELDS
