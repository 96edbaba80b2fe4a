"""Prometheus metrics, read from the statistics at every scrape; never from the lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from importlib.metadata import version
from platform import python_version
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from contracts.validation import SECOND
from streams.join_pipeline import JoinStats
from streams.reactions.nightly_metrics import nightly_metrics
from streams.reactions.nights import Overview
from streams.reactions.stats import ReactionStats

_VERSION: Final = version("tailrace")

_JOIN_COUNTERS = {
    "consumed": "Messages read from the input topics",
    "dead_letters": "Messages that could not be used",
    "duplicates": "Messages that repeated an id",
    "interactions": "Requests joined with their evidence",
    "failures": "Interactions at or above the failure threshold",
    "late_requests": "Requests that came after their window had passed",
    "alerts": "Alerts sent on before their window closed",
    "checkpoints": "Checkpoints made durable",
}
_JOIN_GAUGES = {
    "recent_consumed": "Messages read in the last five minutes",
    "recent_dead_letters": "Messages of the last five minutes that could not be used",
    "open_requests": "Requests waiting for evidence",
    "held_rows": "Light rows in the window state",
    "lag": "Messages on the broker that were not read yet",
    "partitions": "Partitions this worker owns",
}
_REACTION_COUNTERS = {
    "verdicts": ("verdict", "Failures judged online"),
    "unjudged": ("reason", "Failures left to the nightly judge"),
    "skipped": ("reason", "Failures that may not be judged"),
    "consents": ("result", "Consent changes taken in"),
    "dead_letters": ("reason", "Dead letters seen on their topic"),
    "poison": ("topic", "Messages a reaction could not process"),
    "drops": ("result", "Scheduled builds"),
}
_JUDGE_COUNTERS = {
    "judge_calls": "Calls of the online judge that may have been billed",
    "judge_input_tokens": "Tokens the online judge read",
    "judge_output_tokens": "Tokens the online judge wrote",
    "judge_cost_usd": "Spent on the online judge, US dollars",
}


class StatsCollector(Collector):
    """Turns the statistics of the roles that run here into metric families."""

    def __init__(
        self,
        join: Callable[[], JoinStats] | None,
        reactions: ReactionStats | None,
        nightly: Callable[[], Overview | None] = lambda: None,
    ) -> None:
        self._join = join
        self._reactions = reactions
        self._nightly = nightly

    def collect(self) -> Iterable[Metric]:
        """All metrics now."""
        yield InfoMetricFamily(
            "tailrace_build", "What runs here", value={"version": _VERSION, "python": python_version()}
        )
        if self._join is not None:
            yield from _join_metrics(self._join())
        if self._reactions is not None:
            yield from _reaction_metrics(self._reactions)
        if (nightly := self._nightly()) is not None:
            yield from nightly_metrics(nightly)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics and their content type: OpenMetrics for a scraper that accepts it, else plain text."""
        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        encoder, content_type = choose_encoder(accept)
        return encoder(registry), content_type


def _join_metrics(stats: JoinStats) -> Iterable[Metric]:
    for name, text in _JOIN_COUNTERS.items():
        yield CounterMetricFamily(f"tailrace_join_{name}", text, value=getattr(stats, name))
    for name, text in _JOIN_GAUGES.items():
        yield GaugeMetricFamily(f"tailrace_join_{name}", text, value=getattr(stats, name))
    redactions = CounterMetricFamily(
        "tailrace_join_redactions", "Spans of personal data replaced before storage", labels=["kind"]
    )
    for kind, count in sorted(stats.redactions.items()):
        redactions.add_metric([kind], count)
    yield redactions
    watermark = GaugeMetricFamily(
        "tailrace_join_watermark_timestamp_seconds",
        "Event time the join has reached, Unix time",
        labels=["partition"],
    )
    for partition, us in sorted(stats.watermarks.items()):
        watermark.add_metric([str(partition)], us / SECOND)
    yield watermark
    yield GaugeMetricFamily(
        "tailrace_join_delayed", "1 while checkpoints cannot be made durable", value=int(bool(stats.problem))
    )


def _reaction_metrics(stats: ReactionStats) -> Iterable[Metric]:
    yield from stats.alerts.metrics()
    yield from stats.letters.metrics()
    yield CounterMetricFamily(
        "tailrace_reactions_quarantined", "Pending rows that revocations quarantined", value=stats.quarantined
    )
    for name, (label, text) in _REACTION_COUNTERS.items():
        family = CounterMetricFamily(f"tailrace_reactions_{name}", text, labels=[label])
        counts: Counter[str] = getattr(stats, name)
        for value, count in sorted(counts.items()):
            family.add_metric([value], count)
        yield family
    for name, text in _JUDGE_COUNTERS.items():
        yield CounterMetricFamily(f"tailrace_{name}", text, value=getattr(stats, name))
    left = GaugeMetricFamily(
        "tailrace_judge_budget_left", "What the online judge may still spend in this hour", labels=["limit"]
    )
    for limit, amount in sorted(stats.judge_budget_left().items()):
        left.add_metric([limit], amount)
    yield left
    yield GaugeMetricFamily(
        "tailrace_reactions_delayed", "1 while the reactions are held up", value=int(bool(stats.problem))
    )
