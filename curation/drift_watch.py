"""Before a build: have the judges drifted since their anchors were last asked?"""

from __future__ import annotations

from contracts.settings import Settings
from curation.judge.bench import Bench
from curation.judge.drift import DriftReport
from curation.judge.drifting import drift_if_due
from curation.judging import Progress
from sinks.lake import Lake


def watch_drift(
    lake: Lake, settings: Settings, *, now_us: int, progress: Progress | None = None
) -> list[DriftReport]:
    """Ask the anchors of every judge whose last look is old; a report of each that was asked.

    Always live: a batch that was fetched within the week would serve the old answers. What is found counts in
    the build that follows (`judge.in_force`). Nothing without anchors, or with the rules judge. Raises what
    judges raise.
    """
    if settings.judge.kind == "rules":
        return []
    bench = Bench.from_settings(settings)
    features = [None, *settings.judge.rubrics]
    judges = {judge.epoch.id: judge for judge in map(bench.judge_for, features)}
    reports = [drift_if_due(lake, judge, now_us=now_us, progress=progress) for judge in judges.values()]
    return [report for report in reports if report is not None]
