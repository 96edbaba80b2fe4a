"""How far the members of a panel agree, per panel (epoch)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from curation.agreement.alpha import krippendorff_alpha
from curation.agreement.bootstrap import Bootstrap
from curation.agreement.cohen import pairwise
from curation.agreement.fleiss import percent_agreement
from curation.agreement.ratings import Level, Ratings

RESAMPLING: Final = Bootstrap(resamples=1_000, seed=0, confidence=0.95)
"""Intervals in manifests: the same votes give the same bytes."""


class Vote(NamedTuple):
    """What one member of a panel said of one content; word is None without a verdict."""

    panel: str
    member: str
    content_hash: str
    word: str | None


def panel_manifest(votes: Sequence[Vote], bootstrap: Bootstrap | None = RESAMPLING) -> dict[str, Any]:
    """The manifest's `panel`: by panel epoch, how far its members agree.

    `items` with a verdict of every member, `unanimous` (a word of all), `split`, `incomplete` (a member has
    none); `percent_agreement`, `krippendorff_alpha` (nominal) and Cohen's κ of each pair of members, each
    with its interval, over fail, pass and unsure. Items are contents: the same content counts once.
    """
    panels: dict[str, list[Vote]] = {}
    for vote in dict.fromkeys(votes):
        panels.setdefault(vote.panel, []).append(vote)
    return {panel: _one(panels[panel], bootstrap) for panel in sorted(panels)}


def _one(votes: Sequence[Vote], bootstrap: Bootstrap | None) -> dict[str, Any]:
    members = list(dict.fromkeys(vote.member for vote in votes))
    said: dict[str, list[str | None]] = {}
    for vote in sorted(votes, key=lambda v: v.content_hash):
        said.setdefault(vote.content_hash, []).append(vote.word)
    complete = {content: words for content, words in said.items() if None not in words}
    unanimous = sum(len(set(words)) == 1 for words in complete.values())
    ratings = Ratings.from_rows(
        [(v.content_hash, v.member, v.word) for v in sorted(votes, key=lambda v: (v.content_hash, v.member))]
    )
    counts = ratings.counts
    return {
        "members": members,
        "items": len(complete),
        "unanimous": unanimous,
        "split": len(complete) - unanimous,
        "incomplete": len(said) - len(complete),
        "percent_agreement": _plain(percent_agreement(counts, bootstrap)),
        "krippendorff_alpha": _plain(krippendorff_alpha(counts, Level.NOMINAL, bootstrap=bootstrap)),
        "pairs": [
            {"a": pair.a, "b": pair.b, "items": pair.items, "cohen_kappa": _plain(pair.cohen_kappa)}
            for pair in pairwise(ratings, ordered=False, bootstrap=bootstrap)
        ],
    }


def _plain(estimate: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(estimate)
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in found.items()}
