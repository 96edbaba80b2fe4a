"""What the commands about judges share: the judge that is meant, and the lake they write to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.options import open_lake
from contracts.settings import Settings
from curation.judge.base import Judge
from curation.judge.bench import Bench

if TYPE_CHECKING:
    from sinks.lake import Lake

Feature = Annotated[
    str | None,
    typer.Option(
        "--feature",
        metavar="NAME",
        help="The judge of this feature, where it has a rubric of its own (judge.rubrics).",
        show_default=False,
    ),
]


def judge_for(settings: Settings, feature: str | None = None) -> Judge:
    """The judge of a feature, or the one of all features without a rubric of their own."""
    return Bench.from_settings(settings).judge_for(feature)


def judges_feature(settings: Settings, feature: str | None, other: str) -> bool:
    """Whether requests of a feature are judged by the judge that `judge_for` gives."""
    own = settings.judge.rubrics
    return own.get(other) == (own.get(feature) if feature is not None else None)


def lake_to_write(settings: Settings, *, create: bool = False) -> Lake:
    """The lake, with tables and columns that an older version of it lacks; made when it is not there.

    Raises `TerminalError` when there is none and none is to be made.
    """
    if not create:
        open_lake(settings)
    return open_lake(settings, create=True)
