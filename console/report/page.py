"""Put the report together."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from console.report import edits, evidence, funnel, headline, health, pairs, rates, scores, stats
from console.report.data import ReportData
from sinks.drops.documents import facts, lengths
from sinks.pages import palette
from sinks.pages.templating import page
from sinks.pages.text import label, percent, plural

TEMPLATES: Final = Path(__file__).with_name("templates")


def render(data: ReportData) -> str:
    """The report as one HTML document: no scripts, no requests, light and dark, printable."""
    rows = stats.prepare(data.interactions, data.failure_threshold)
    rate = stats.overall(rows)
    worst = stats.worst_version(rows)
    left_out = data.interactions.height - rows.height
    return page(
        TEMPLATES / "report.html.j2",
        title=label(data.title, 120),
        generated_for=label(data.generated_for, 120),
        score_versions=sorted(str(v) for v in data.interactions["score_version"].unique()),
        sentence=headline.sentence(data, rate, worst),
        tiles=headline.tiles(data, rate, worst),
        left_out=plural(left_out, "internal or synthetic request") if left_out else "",
        threshold=f"{data.failure_threshold:.2f}",
        funnel=funnel.bars(data, rate),
        rates=rates.view(rows, worst),
        average=percent(rate.share),
        histogram=scores.histogram(rows, data.failure_threshold),
        contributions=scores.contributions(rows),
        edit_classes=edits.classes(rows),
        torn=edits.torn(rows),
        auc=data.ranking_auc,
        coverage=health.coverage(rows),
        outcomes=health.outcomes(rows),
        outcome_parts=health.PARTS,
        dead_letters=health.dead_letters(data.dead_letter_reasons),
        accounting=health.accounting(data.accounting),
        accounting_gap=health.accounting_gap(data.accounting),
        rephrased=percent(evidence.REPHRASED, 0),
        cards=pairs.cards(data.pairs),
        facts=facts.facts(data.manifest) if data.manifest is not None else [],
        lengths=lengths.lengths(data.manifest),
        files=facts.files(data.manifest) if data.manifest is not None else [],
        colors={"fail": palette.FAIL, "blue": palette.BLUE, "aside": palette.SET_ASIDE},
    )
