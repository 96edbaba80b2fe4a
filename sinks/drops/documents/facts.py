"""The essentials of a drop's manifest, read leniently: the report must open for any drop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sinks.drops.documents import judges
from sinks.drops.formats import SPLITS
from sinks.pages.text import count, label, percent

PAIR_KEYS: Final = ("preference_rows", "preference", "preferences", "pairs")
UNPAIRED_KEYS: Final = ("unpaired_rows", "unpaired", "kto")
FACTS: Final[tuple[tuple[str, str], ...]] = (
    ("drop_id", "Drop"),
    ("channel", "Channel"),
    ("as_of", "Inputs as of"),
    ("judge", "Judge"),
    ("judge_epoch", "Judge epoch"),
    ("score_version", "Score version"),
    ("code_version", "Tailrace"),
    ("config_hash", "Settings hash"),
)


@dataclass(frozen=True)
class DropFile:
    """One published file; size in bytes and rows where the manifest gives them."""

    name: str
    rows: str
    size: str
    sha256: str


def _counts(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    counts = manifest.get("counts")
    return counts if isinstance(counts, Mapping) else manifest


def _first(values: Mapping[str, Any], keys: Sequence[str]) -> int | None:
    found = (values[key] for key in keys if isinstance(values.get(key), int))
    return next(found, None)


def rows_published(manifest: Mapping[str, Any] | None) -> tuple[int, int] | None:
    """(preference pairs, unpaired rows) of the drop; None without a manifest that says so."""
    if manifest is None:
        return None
    pairs, unpaired = (_first(_counts(manifest), keys) for keys in (PAIR_KEYS, UNPAIRED_KEYS))
    return None if pairs is None and unpaired is None else (pairs or 0, unpaired or 0)


def facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What identifies the drop, as (name, value)."""
    shown = []
    for key, name in FACTS:
        value = manifest.get(key)
        if isinstance(value, Mapping):
            value = value.get("judge") or value.get("name") or value.get("kind")
        if value not in (None, ""):
            shown.append((name, label(value, 96)))
    return [*shown, *composition(manifest)]


def composition(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the rows are: slices, the share of safety-tagged ones before and after, what was redacted, what of
    registered eval sets was found."""
    shown = []
    if slices := part_of(manifest, "selection", "slices"):
        shown.append(("Slices", ", ".join(f"{name} {count(s['rows'])}" for name, s in slices.items())))
    if splits := part_of(manifest, "splits"):
        rows = [
            f"{name} {count(sum(part_of(splits, name).values()))}" for name in SPLITS if part_of(splits, name)
        ]
        shown.append(("Rows by split", ", ".join(rows)))
    if safety := part_of(manifest, "safety"):
        shares = [percent(safety[key]) for key in ("eligible_share", "rows_share")]
        shown.append(("Safety-tagged", f"{shares[0]} of eligible requests, {shares[1]} of rows"))
    shown += [*judging_cost(manifest), *judges.facts(manifest)]
    if spans := part_of(manifest, "redaction", "spans"):
        shown.append(("Redacted", ", ".join(f"{name} {count(n)}" for name, n in spans.items())))
    if sets := part_of(manifest, "contamination"):
        hits = (
            f"{label(name)} {count(s['rows_hit'])} of {count(s['rows_checked'])}" for name, s in sets.items()
        )
        shown.append(("Rows with eval items", ", ".join(hits)))
    return shown


def judging_cost(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What judging came to; nothing where no model was asked."""
    cost = part_of(manifest, "judge_cost")
    return [("Judging", _cost(cost))] if cost.get("input_tokens") else []


def _cost(cost: Mapping[str, Any]) -> str:
    """What judging came to: in money where prices are known, else in tokens."""
    tokens = (cost.get("input_tokens") or 0) + (cost.get("output_tokens") or 0)
    asked = [f"{count(cost.get('verdicts') or 0)} verdicts"]
    if cost.get("comparisons"):
        asked.append(f"{count(cost['comparisons'])} comparisons")
    priced = bool(cost.get("cost_usd"))
    words = f"{', '.join(asked)}, {count(tokens)} tokens" + (f", ${cost['cost_usd']:,.2f}" if priced else "")
    each = [
        (f"${found['cost_usd']:,.4f}" if priced else f"{count(found['tokens'])} tokens") + f" {name}"
        for key, name in (("per_judged", "a judged request"), ("per_example", "a published row"))
        if (found := part_of(cost, key))
    ]
    return f"{words}: {', '.join(each)}" if each else words


def part_of(manifest: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """A mapping inside a manifest; empty when it is not there."""
    found: Any = manifest
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def files(manifest: Mapping[str, Any]) -> list[DropFile]:
    """The files of the drop, whether the manifest lists them or maps names to entries or hashes."""
    listed = manifest.get("files")
    entries: list[tuple[str, Any]] = []
    if isinstance(listed, Mapping):
        entries = [(str(name), entry) for name, entry in listed.items()]
    elif isinstance(listed, Sequence) and not isinstance(listed, str):
        entries = [(str(e.get("name") or e.get("path")), e) for e in listed if isinstance(e, Mapping)]
    return [
        _file(name, entry if isinstance(entry, Mapping) else {"sha256": entry}) for name, entry in entries
    ]


def _file(name: str, entry: Mapping[str, Any]) -> DropFile:
    rows, size = _first(entry, ("rows",)), _first(entry, ("bytes", "size", "size_bytes"))
    return DropFile(
        name=label(name, 80),
        rows="" if rows is None else count(rows),
        size="" if size is None else size_in_words(size),
        sha256=label(entry.get("sha256") or "", 64),
    )


def size_in_words(size: int) -> str:
    """Bytes as kB or MB."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"
