"""What changed between two drops, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from sinks.drops.diff import DropDiff, Share, Shift
from sinks.pages.templating import page
from sinks.pages.text import count, label, percent, plural

TEMPLATE: Final = Path(__file__).with_name("templates") / "drop_diff.html.j2"

VALUES: Final = 8
"""Values of a column that are shown; the others moved less."""

REQUESTS: Final = 50
"""Relabelled requests that are shown."""

STABLE: Final = 0.005
"""A column whose distance is smaller is only named."""


def render(found: DropDiff) -> str:
    """The difference as one HTML document without scripts or requests."""
    moved = [s for s in found.shifts if s.distance >= STABLE]
    return page(
        TEMPLATE,
        before=label(found.before, 80),
        after=label(found.after, 80),
        sentence=_sentence(found),
        tiles=[
            ("Kept", count(found.kept), "the same content in both"),
            ("Added", count(len(found.added)), f"of {count(found.rows_after)} rows"),
            ("Removed", count(len(found.removed)), f"of {count(found.rows_before)} rows"),
            ("Relabelled", count(len(found.relabelled)), "requests whose rows say something else"),
        ],
        shifts=[_shift(s) for s in sorted(moved, key=lambda s: -s.distance)],
        stable=[_name(s.column) for s in found.shifts if s.distance < STABLE],
        relabelled=[
            (label(r.request_id, 64), label(", ".join(r.before), 120), label(", ".join(r.after), 120))
            for r in found.relabelled[:REQUESTS]
        ],
        more=max(len(found.relabelled) - REQUESTS, 0),
        settings=[(label(c.name, 80), _value(c.before), _value(c.after)) for c in found.settings],
    )


def _sentence(found: DropDiff) -> str:
    rows = f"{plural(found.rows_before, 'row')} became {count(found.rows_after)}"
    most = max(found.shifts, key=lambda s: s.distance)
    if most.distance < STABLE:
        return f"{rows}; no distribution moved."
    return f"{rows}; {_name(most.column)} moved most: {percent(most.distance)} of rows."


def _name(column: str) -> str:
    return column.replace("_", " ")


def _shift(shift: Shift) -> dict[str, Any]:
    return {
        "name": _name(shift.column),
        "distance": percent(shift.distance),
        "psi": f"{shift.psi:.3f}",
        "values": [_share(s) for s in shift.shares[:VALUES]],
        "hidden": max(len(shift.shares) - VALUES, 0),
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "name": label(share.value, 60),
        "before": percent(share.share_before),
        "after": percent(share.share_after),
        "rows": f"{count(share.before)} → {count(share.after)}",
        "width_before": round(share.share_before * 100, 2),
        "width_after": round(share.share_after * 100, 2),
    }


def _value(value: Any) -> str:
    if value is None:
        return "–"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return label(text, 200)
