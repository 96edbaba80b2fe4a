"""report.html: one page about the drop, for those who train on it and those who have to answer for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from sinks.drops.documents import facts, judges, phrases
from sinks.drops.documents.columns import TABLES
from sinks.drops.documents.drop import Drop
from sinks.drops.documents.funnel import build_bars, steps_of
from sinks.drops.documents.lengths import lengths
from sinks.drops.documents.summary import BINS
from sinks.drops.documents.tables import WHOLE, Table
from sinks.drops.documents.token_lengths import token_lengths, tokenizer
from sinks.pages.bars import Bar, Histogram
from sinks.pages.palette import BLUE, FAIL, SET_ASIDE
from sinks.pages.templating import page
from sinks.pages.text import count, label, percent, plural, words

TEMPLATE: Final = Path(__file__).with_name("templates") / "report.html.j2"

MAX_VALUES: Final = 12
"""Values of a column that get a bar; the others share one."""

COMPOSITION: Final = (
    ("pair_source", "Evidence that made the row"),
    ("source_type", "Source of the text"),
    ("slice", "Slice it was selected in"),
    ("verdict_source", "Who vouches for the verdict"),
    ("feature", "Feature"),
    ("model", "Model of the response"),
    ("license", "Licence"),
    ("consent_policy_version", "Policy version of the consent"),
)

NAMES: Final = frozenset({"feature", "model", "license", "consent_policy_version"})
"""Columns whose values are names, and shown as they are written; the others hold codes."""

DISTRIBUTIONS: Final = (
    ("failure_score", "Failure score", "at selection time: 1 is surely a failure", FAIL),
    ("novelty", "Novelty", "distance to the prompts of earlier drops: 1 is unlike any of them", BLUE),
)


def report(drop: Drop) -> str:
    """The report of a drop: no scripts, no requests, light and dark, printable; no text of any row."""
    manifest = drop.manifest
    steps = steps_of(manifest)
    return page(
        TEMPLATE,
        title=phrases.title(drop),
        drop_id=label(drop.drop_id, 96),
        meta=[part for part in (_channel(drop), f"inputs as of {phrases.as_of(drop)}", _code(drop)) if part],
        opening=phrases.opening(drop),
        succession=phrases.succession(drop),
        tiles=_tiles(drop),
        tables=[_table(table) for table in drop.tables],
        tokens=token_lengths(manifest, drop.tables),
        tokenizer=label(tokenizer(manifest), 96),
        left_out=[
            (label(file, 80), _reasons(found)) for file, found in facts.part_of(manifest, "left_out").items()
        ],
        kto=_kto(drop),
        funnel=build_bars(steps, manifest) if steps else [],
        composition=_composition(drop),
        splits=phrases.splits(drop),
        lengths=lengths(manifest),
        histograms=_histograms(drop),
        judge=phrases.judge(drop),
        judging=[*facts.judging_cost(manifest), *judges.facts(manifest)],
        contamination=phrases.contamination(drop),
        consent=phrases.consent(drop),
        redaction=phrases.redaction(drop),
        limits=phrases.limits(drop),
        checks=_checks(drop),
        inputs=[(label(name), str(version)) for name, version in facts.part_of(manifest, "inputs").items()],
        versions=_versions(drop),
        settings=[(name, _value(value)) for name, value in facts.part_of(manifest, "config").items()],
        colors={"blue": BLUE, "aside": SET_ASIDE},
    )


def _channel(drop: Drop) -> str:
    return f"channel {label(drop.channel)}" if drop.channel else ""


def _code(drop: Drop) -> str:
    version = drop.manifest.get("code_version")
    return f"Tailrace {label(version)}" if version else ""


def _tiles(drop: Drop) -> list[tuple[str, str, str]]:
    """Key figures as (name, value, note)."""
    counts, summary = facts.part_of(drop.manifest, "counts"), drop.summary
    shown = [
        ("Preference pairs", count(counts.get("preference") or 0), "chosen and rejected answer"),
        ("Unpaired rows", count(counts.get("unpaired") or 0), _labels(drop)),
    ]
    if "quarantined" in counts:
        shown.append(("Refused", count(counts["quarantined"] or 0), "on the way, each with its reason"))
    shown.append(("Synthetic", percent(summary.synthetic_share), "of rows hold text a judge wrote"))
    whole = facts.part_of(drop.manifest, "length_bias", "all")
    if whole.get("longer_share") is not None:
        shown.append(
            ("Chosen is longer", percent(whole["longer_share"]), "of pairs; one half would be neutral")
        )
    sets = facts.part_of(drop.manifest, "contamination")
    hits = sum(int(each.get("rows_hit") or 0) for each in sets.values())
    note = f"{plural(len(sets), 'eval set')} checked" if sets else "no eval set was registered"
    shown.append(("Contaminated rows refused", count(hits) if sets else "–", note))
    return shown


def _labels(drop: Drop) -> str:
    good, bad = drop.summary.unpaired[True], drop.summary.unpaired[False]
    return f"{count(good)} desirable, {count(bad)} not"


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "about": TABLES.get(table.name, ""),
        "files": [
            {
                "split": "" if split == WHOLE else split,
                "name": file.name,
                "rows": count(file.rows),
                "size": facts.size_in_words(file.bytes),
                "sha256": file.sha256,
            }
            for split, file in table.files.items()
        ],
    }


def _reasons(reasons: Any) -> str:
    return ", ".join(f"{words(reason)} {count(n)}" for reason, n in sorted(reasons.items()))


def _kto(drop: Drop) -> tuple[str, str] | None:
    """Suggested (desirable_weight, undesirable_weight), None without unpaired rows."""
    weights = facts.part_of(drop.manifest, "kto")
    if drop.table("unpaired") is None or not weights:
        return None
    return str(weights.get("desirable_weight")), str(weights.get("undesirable_weight"))


def _composition(drop: Drop) -> list[tuple[str, list[Bar]]]:
    """Bars for what the rows are, column by column; columns in which nothing is known are left out."""
    found = []
    for column, name in COMPOSITION:
        values = list(drop.summary.counts[column].items())
        if not any(value for value, _ in values):
            continue
        shown, rest = values[:MAX_VALUES], values[MAX_VALUES:]
        named = label if column in NAMES else words
        drawn = [_share(named(value) if value else "not recorded", n, drop) for value, n in shown]
        if rest:
            drawn.append(_share(f"{count(len(rest))} others", sum(n for _, n in rest), drop))
        found.append((name, drawn))
    return found


def _share(name: str, rows: int, drop: Drop) -> Bar:
    total = drop.summary.examples
    return Bar(name, f"{count(rows)} · {percent(rows / total)}", [(float(rows), BLUE)], float(total))


def _histograms(drop: Drop) -> list[tuple[str, str, Histogram]]:
    """Distributions as (name, what it is, chart)."""
    found = []
    for column, name, about, colour in DISTRIBUTIONS:
        if bins := drop.summary.distributions.get(column):
            said = "; ".join(
                f"{n / BINS:.2f} to {(n + 1) / BINS:.2f}: {count(rows)}"
                for n, rows in enumerate(bins)
                if rows
            )
            found.append((name, about, Histogram(bins, "0", "1", f"{name} of rows. {said}.", colour)))
    return found


def _checks(drop: Drop) -> list[tuple[str, str, str]]:
    """Passed checks as (data set, what was found, rules): one for those that found the same in a data set."""
    found: dict[tuple[str, str], list[str]] = {}
    for check in drop.checks:
        if check.success:
            table, _, rule = check.name.rpartition(".")
            found.setdefault((table, check.actual), []).append(words(rule))
    return [(label(table), said, ", ".join(rules)) for (table, said), rules in found.items()]


def _versions(drop: Drop) -> list[tuple[str, str]]:
    shown = []
    for key, name in (
        ("score_version", "Score"),
        ("code_version", "Tailrace"),
        ("config_hash", "Settings hash"),
    ):
        if value := drop.manifest.get(key):
            shown.append((name, label(value, 96)))
    if transforms := drop.manifest.get("transforms"):
        shown.append(("Transforms", label(", ".join(transforms), 200)))
    if earlier := drop.manifest.get("earlier_drops"):
        shown.append(("Earlier drops it knows", count(len(earlier))))
    return shown


def _value(value: Any) -> str:
    if value is None or value in ([], ""):
        return "–"
    return label(value if isinstance(value, str) else msgspec.json.encode(value).decode(), 200)
