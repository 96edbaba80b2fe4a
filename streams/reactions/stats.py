"""What the reactions have done since the worker started; read by the web views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from contracts import topics
from streams.reactions.alert_stats import AlertStats
from streams.reactions.letter_stats import LetterStats

_TOPICS: Final = (*topics.INPUT_TOPICS, *topics.OUTPUT_TOPICS)


@dataclass
class ReactionStats:
    """Counts by what became of events. Keys are our own codes, never user text.

    `quarantined`: pending rows that revocations quarantined.

    `verdicts`: judged failures by verdict. `unjudged`: by `UnjudgedReason` (`budget` when the hourly
    budget was spent). `skipped`: failures that may not be judged, by eligibility reason, or
    `not_in_lake`. `consents`: granted, revoked, outdated, invalid. `dead_letters`: seen
    on the topic, by reason. `poison`: events a reaction could not process, by topic. `drops`: nightly
    builds by result. `judge_budget_left`: what the online judge may still spend in this hour, by limit,
    asked for when it is shown. `problem`: what holds the reactions up right now; empty when nothing does.
    """

    quarantined: int = 0
    alerts: AlertStats = field(default_factory=AlertStats)
    letters: LetterStats = field(default_factory=lambda: LetterStats(_TOPICS))
    verdicts: Counter[str] = field(default_factory=Counter)
    unjudged: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    consents: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    poison: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)
    judge_calls: int = 0
    judge_input_tokens: int = 0
    judge_output_tokens: int = 0
    judge_cost_usd: float = 0.0
    judge_budget_left: Callable[[], dict[str, float]] = dict
    problem: str = ""
