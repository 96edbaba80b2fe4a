"""What became of alerts, for /status and /metrics."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from contracts.alerts import Alert

LATEST: Final = 20
MOST_FEATURES: Final = 100
"""Features told apart in metrics: products have few, but the name is the producer's to choose."""

OTHER: Final = "other"


@dataclass
class AlertStats:
    """Counts since the worker started. `calls`: calls of the webhook by result; `dropped`: alerts given up
    because the webhook was unreachable for too long; `waiting`: alerts on their way right now."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    latest: deque[Alert] = field(default_factory=lambda: deque(maxlen=LATEST))
    repeated: int = 0
    stale: int = 0
    dropped: int = 0
    waiting: int = 0

    def note(self, alert: Alert) -> None:
        """Count an alert that was not seen before."""
        feature = alert.feature or ""
        features = {known for _, known in self.counts}
        if feature not in features and len(features) >= MOST_FEATURES:
            feature = OTHER
        self.counts[(alert.kind, feature)] += 1
        self.latest.append(alert)

    def as_dict(self) -> dict[str, Any]:
        """For /status: counts, and the ids of the latest alerts, the newest first."""
        return {
            "counts": [
                {"kind": kind, "feature": feature or None, "count": n}
                for (kind, feature), n in sorted(self.counts.items())
            ],
            "latest": [
                {
                    "alert_id": alert.alert_id,
                    "kind": alert.kind,
                    "session_id": alert.session_id,
                    "request_id": alert.request_id,
                }
                for alert in reversed(self.latest)
            ],
            "calls": dict(self.calls),
            "repeated": self.repeated,
            "stale": self.stale,
            "dropped": self.dropped,
            "waiting": self.waiting,
        }

    def metrics(self) -> list[Metric]:
        """Prometheus families."""
        alerts = CounterMetricFamily("tailrace_alerts", "Alerts seen", labels=["kind", "feature"])
        for (kind, feature), count in sorted(self.counts.items()):
            alerts.add_metric([kind, feature], count)
        calls = CounterMetricFamily("tailrace_alert_calls", "Calls of the webhook", labels=["result"])
        for result, count in sorted(self.calls.items()):
            calls.add_metric([result], count)
        return [
            alerts,
            calls,
            CounterMetricFamily("tailrace_alerts_stale", "Alerts too old to deliver", value=self.stale),
            CounterMetricFamily("tailrace_alerts_dropped", "Alerts never delivered", value=self.dropped),
            GaugeMetricFamily("tailrace_alerts_waiting", "Alerts on their way", value=self.waiting),
        ]
