"""README.md: the dataset card of a drop, after the headings of the Hugging Face template.

Headings of the template that nobody could answer from a manifest (funding, papers, demographics) are left out
rather than filled with words.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment

from sinks.drops.documents import facts, judges, phrases
from sinks.drops.documents.columns import COLUMNS, TABLES
from sinks.drops.documents.croissant import citation
from sinks.drops.documents.drop import Drop
from sinks.drops.documents.front_matter import configured, front_matter
from sinks.drops.documents.funnel import steps_of
from sinks.drops.documents.markdown import Verbatim, environment
from sinks.drops.documents.tables import Table
from sinks.drops.documents.token_lengths import token_lengths, tokenizer
from sinks.pages.text import count, label, percent, words

TEMPLATES: Final = Path(__file__).with_name("templates")

MAX_VALUES: Final = 20
"""Values of a column that are named; the others are counted together."""


@cache
def _environment() -> Environment:
    return environment(TEMPLATES)


def card(drop: Drop) -> str:
    """The dataset card of a drop."""
    manifest, summary = drop.manifest, drop.summary
    return (
        _environment()
        .get_template("card.md.j2")
        .render(
            front_matter=Verbatim(front_matter(drop)),
            title=phrases.title(drop),
            drop_id=drop.drop_id,
            opening=phrases.opening(drop),
            succession=phrases.succession(drop),
            code_version=str(manifest.get("code_version") or ""),
            channel=label(drop.channel),
            licences=_shares(drop, "license", empty="not recorded"),
            tables={table.name: _table(table) for table in drop.tables},
            columns=[
                (table.name, [(c.name, COLUMNS.get(c.name, "")) for c in table.schema])
                for table in configured(drop)
                if table.schema is not None
            ],
            loadable=[table.name for table in configured(drop)],
            kto=facts.part_of(manifest, "kto"),
            unpaired=summary.unpaired,
            funnel=[
                (words(s.name), count(s.rows_in), count(s.rows_out), _refused(s.refused))
                for s in steps_of(manifest)
            ],
            consent=phrases.consent(drop),
            shares=[
                (name, found)
                for name, column in (
                    ("Source of the text", "source_type"),
                    ("Evidence that made the row", "pair_source"),
                    ("Slice", "slice"),
                    ("Feature", "feature"),
                    ("Model of the response", "model"),
                    ("Verdict vouched for by", "verdict_source"),
                )
                if (found := _shares(drop, column))
            ],
            synthetic=phrases.synthetic(drop) if summary.examples else "",
            transforms=[label(name) for name in manifest.get("transforms") or ()],
            timeframe=[
                moment.replace("T", " ").replace("Z", " UTC") for moment in (summary.first, summary.last)
            ]
            if summary.first
            else None,
            judge=phrases.judge(drop),
            judging=judges.facts(manifest),
            redaction=phrases.redaction(drop),
            contamination=phrases.contamination(drop),
            length_bias=phrases.length_bias(drop),
            splits=phrases.splits(drop),
            limits=phrases.limits(drop),
            left_out=[
                (name, _refused(reasons)) for name, reasons in facts.part_of(manifest, "left_out").items()
            ],
            tokens=token_lengths(manifest, drop.tables),
            tokenizer=tokenizer(manifest),
            inputs=sorted(facts.part_of(manifest, "inputs").items()),
            config_hash=str(manifest.get("config_hash") or ""),
            citation=Verbatim(citation(drop)),
        )
    )


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "about": TABLES.get(table.name, ""),
        "parquet": table.schema is not None,
        "files": [(split, file.name, count(file.rows)) for split, file in table.files.items()],
        "splits": list(table.files),
    }


def _refused(reasons: Any) -> str:
    return ", ".join(f"{words(reason)} {count(n)}" for reason, n in sorted(reasons.items())) or "–"


def _shares(drop: Drop, column: str, empty: str = "") -> list[tuple[str, str]]:
    """Values of a column with rows and share; rows without one only if they are to be named."""
    counts = drop.summary.counts[column]
    named = [(value, n) for value, n in counts.items() if value or empty]
    if not [value for value, _ in named if value] and not empty:
        return []
    shown = [
        (label(value) or empty, f"{count(n)} ({percent(n / drop.summary.examples)})")
        for value, n in named[:MAX_VALUES]
    ]
    rest = sum(n for _, n in named[MAX_VALUES:])
    return [*shown, ("others", count(rest))] if rest else shown
