"""The top of the report: what happened, in plain words and a few figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from console.report.data import ReportData
from console.report.stats import Rate, VersionRate
from sinks.drops.documents.facts import rows_published
from sinks.pages.text import count, interval, label, percent, plural, words


@dataclass(frozen=True)
class Tile:
    """A key figure: its name, the figure, what it rests on; `alert` when it deserves attention."""

    name: str
    value: str
    note: str
    alert: bool = False


def sentence(data: ReportData, rate: Rate, worst: VersionRate | None) -> str:
    """The report in one or two sentences."""
    if not rate.rows:
        return (
            "No user interactions yet: send events, let the worker settle them, and build the report again."
        )
    parts = [f"{percent(rate.share)} of {plural(rate.rows, 'user request')} look like failures."]
    if worst is not None and worst.stands_out:
        parts.append(
            f"{worst.name} stands out: {percent(worst.rate.share)} fail,"
            f" against {percent(worst.baseline.share)} on {worst.baseline_name}."
        )
    elif worst is not None:
        parts.append("No behaviour version clearly fails more than the others.")
    published = rows_published(data.manifest)
    if published is not None:
        pairs, unpaired = published
        parts.append(
            f"The drop holds {plural(pairs, 'preference pair')} and {plural(unpaired, 'unpaired row')}."
        )
    return " ".join(parts)


def tiles(data: ReportData, rate: Rate, worst: VersionRate | None) -> list[Tile]:
    """Four to six key figures."""
    shown = [_failure_rate(rate), *_worst(worst), _pairs(data)]
    consumed = data.accounting.get("consumed", 0)
    if consumed:
        joined = data.accounting.get("joined", 0)
        shown.append(
            Tile("Joined", percent(joined / consumed), f"{count(joined)} of {plural(consumed, 'event')}")
        )
        shown.append(_dead_letters(data.accounting.get("dead_letter", 0), data.dead_letter_reasons))
    if data.ranking_auc is not None:
        shown.append(Tile("Ranking (ROC AUC)", f"{data.ranking_auc:.3f}", "score against the latent truth"))
    return shown


def _failure_rate(rate: Rate) -> Tile:
    if not rate.rows:
        return Tile("Failure rate", "–", "no user requests")
    note = f"{interval(rate.low, rate.high)} (95% interval)"
    return Tile("Failure rate", percent(rate.share), note)


def _worst(worst: VersionRate | None) -> list[Tile]:
    if worst is None:
        return []
    against = f"{label(worst.feature, 28)} · {label(worst.version, 36)}"
    return [Tile("Worst version", percent(worst.rate.share), against, alert=worst.stands_out)]


def _pairs(data: ReportData) -> Tile:
    published = rows_published(data.manifest)
    if published is None:
        return Tile("Preference pairs", "–", "no drop yet")
    return Tile("Preference pairs", count(published[0]), f"and {plural(published[1], 'unpaired row')}")


def _dead_letters(total: int, reasons: Mapping[str, int]) -> Tile:
    if not total:
        return Tile("Dead letters", "0", "every message could be used")
    top = max(reasons, key=lambda k: (reasons[k], k), default=None)
    return Tile("Dead letters", count(total), "see loop health" if top is None else f"mostly {words(top)}")
