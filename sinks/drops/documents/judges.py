"""What a drop's manifest says of its judges: panels, comparisons and their bias, their own family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinks.pages.text import count, label, plural

Facts = list[tuple[str, str]]


def facts(manifest: Mapping[str, Any]) -> Facts:
    """Lines of the drop's facts, as (name, value); none where one judge judges and nobody compares."""
    shown: Facts = []
    for panel in _values(manifest, "panel"):
        shown.append(("Panel", _panel(panel)))
    pairwise = _mapping(manifest.get("pairwise"))
    rewrites = _mapping(pairwise.get("rewrites"))
    if rewrites.get("compared"):
        kept, compared = count(rewrites.get("kept") or 0), count(rewrites["compared"])
        shown.append(("Rewrites", f"{kept} of {compared} preferred to the response in both orders"))
    if people := _mapping(pairwise.get("people")):
        words = ", ".join(f"{label(word)} {count(n)}" for word, n in people.items())
        shown.append(("People's pairs, the judge prefers", words))
    for epoch in _values(pairwise, "epochs"):
        shown.append((f"Comparing, {label(epoch.get('judge') or '')}", _bias(epoch)))
    family = _mapping(manifest.get("judge_family"))
    if family.get("rows") or family.get("refused"):
        rows, refused = (family.get(key) or 0 for key in ("rows", "refused"))
        words = f"{plural(rows, 'row')}, {plural(refused, 'request')} refused"
        shown.append(("Judged by the writer's own family", words))
    return shown


def _panel(panel: Mapping[str, Any]) -> str:
    members = ", ".join(label(name) for name in panel.get("members") or ())
    alpha = _mapping(panel.get("krippendorff_alpha"))
    agreement = "" if alpha.get("value") is None else f", Krippendorff's α {_interval(alpha, '.2f')}"
    return f"{members}: {count(panel['unanimous'])} of {count(panel['items'])} unanimous{agreement}"


def _bias(epoch: Mapping[str, Any]) -> str:
    words = [f"{count(epoch.get('comparisons') or 0)} comparisons"]
    rates = (
        ("inconsistency_rate", "change with the order"),
        ("first_share", "of those to the first place"),
    )
    words += [f"{_interval(rate, '.0%')} {name}" for key, name in rates if (rate := _known(epoch, key))]
    if longer := _known(_mapping(epoch.get("length")), "longer_wins"):
        words.append(f"the longer response wins {_interval(longer, '.0%')}")
    return ", ".join(words)


def _known(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    estimate = _mapping(values.get(key))
    return estimate if estimate.get("value") is not None else {}


def _interval(estimate: Mapping[str, Any], form: str) -> str:
    value, low, high = (estimate.get(key) for key in ("value", "low", "high"))
    shown = format(value, form)
    return shown if low is None or high is None else f"{shown} ({low:{form}} to {high:{form}})"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _values(values: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [value for value in _mapping(values.get(key)).values() if isinstance(value, Mapping)]
