"""Everything a rebuild needs, looked for before any work starts; what is missing is listed at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl
from pydantic import ValidationError

from contracts.errors import NotRebuildable
from contracts.settings import CurationSettings, Settings
from curation.candidates import INPUT_TABLES
from curation.drop_rows import TRANSFORMS
from curation.judge.authority import Authority
from curation.judge.bench import Bench
from curation.judge.gold import gold_in_force
from curation.label_snapshot import labels_sha256
from curation.nightly import CODE_VERSION
from curation.rebuild.judges import remembered_authority, remembered_bench
from curation.rebuild.origin import Published, recipe_of
from curation.rebuild.pins import Pins, as_of, find_pins
from curation.redaction.step import make_redactor
from curation.replay import Replay
from curation.sources import NEEDED, Sources
from curation.unjudged import unjudged_of
from sinks.drops.marks import superseded
from sinks.drops.recipe import Recipe, libraries
from sinks.evals import named_sets
from sinks.judgments import JudgmentIndex
from sinks.lake import Lake
from sinks.pinned_lake import PinnedLake, newest_versions


@dataclass(frozen=True)
class Plan:
    """A rebuild that can begin: what to build from, by whose verdicts, and what is worth saying of it."""

    recipe: Recipe
    settings: Settings
    sources: Sources
    bench: Bench
    power: Authority
    replay: Replay
    notes: tuple[str, ...]


@dataclass
class _Findings:
    """problems: what cannot be had. differs: what is installed is not what the drop was built with."""

    problems: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def plan(
    lake: Lake,
    settings: Settings,
    row: Mapping[str, Any],
    published: Published,
    *,
    other_code: bool = False,
) -> Plan:
    """Look for everything a drop was built from. row: its row of the registry.

    Settings are those of the drop; of today's only places and engines count. `other_code`: go on although
    the installed code is another. Raises `NotRebuildable` with all problems.
    """
    found = _Findings()
    _successors(lake, row["drop_id"], published.manifest, found)
    recipe, wrong = recipe_of(row, published.manifest)
    found.problems += wrong
    if recipe is None:
        raise _impossible(row["drop_id"], found, other_code=other_code)
    pins = _pins(lake, recipe, row, found)
    bench = _bench(recipe, found)
    curation = _curation(recipe, found)
    privacy = _privacy(settings, recipe, found)
    _code(recipe, found)
    unjudged = _unjudged(lake, recipe, row, found)
    if found.problems or (found.differs and not other_code) or bench is None or curation is None:
        raise _impossible(row["drop_id"], found, other_code=other_code)
    view = PinnedLake(lake, pins.versions)
    about = recipe.about
    gold = gold_in_force(view)
    if gold.identity() != about["authority"]["gold"] or recipe.labels not in ("", labels_sha256(gold)):
        found.problems.append("labels: those in force in the recorded version are not those of the drop")
        raise _impossible(row["drop_id"], found, other_code=other_code)
    return Plan(
        recipe=recipe,
        settings=settings.model_copy(update={"curation": curation, "privacy": privacy}),
        sources=Sources(
            lake=view,
            versions={name: about["inputs"][name] for name in INPUT_TABLES},
            as_of=datetime.fromisoformat(about["as_of"]),
            evals=named_sets(view, about["evals"]),
            released=frozenset(about["releases"]),
            earlier=tuple(about["earlier_drops"]),
            reads=recipe.reads,
        ),
        bench=bench,
        power=remembered_authority(about["authority"], bench, gold, curation),
        replay=Replay(JudgmentIndex(view), unjudged, _until(recipe, row)),
        notes=(*pins.notes, *found.notes, *(found.differs if other_code else ())),
    )


def _impossible(drop_id: str, found: _Findings, *, other_code: bool) -> NotRebuildable:
    hint = "Restore the drop from a copy if you need its bytes; `tailrace drop` builds a new one."
    if found.differs and not found.problems and not other_code:
        hint = "Install the recorded release, or try it with this one: --other-code; the bytes decide."
    return NotRebuildable(f"drop {drop_id} cannot be rebuilt", [*found.problems, *found.differs], hint=hint)


def _successors(lake: Lake, drop_id: str, manifest: Mapping[str, Any] | None, found: _Findings) -> None:
    marks = superseded(lake)
    if (successor := marks.get(drop_id)) is not None:
        found.problems.append(
            f"the drop was superseded by {successor}: somebody's rows were erased from it and what it was "
            "made of"
        )
    before = next((old for old, new in marks.items() if new == drop_id), None)
    if before is not None or (manifest or {}).get("supersedes"):
        old = before or (manifest or {})["supersedes"]
        found.problems.append(
            f"the drop stands in for {old} after an erasure: it was made from the files of that drop, which "
            "are gone"
        )


def _pins(lake: Lake, recipe: Recipe, row: Mapping[str, Any], found: _Findings) -> Pins:
    pins = find_pins(lake, recipe)
    found.problems += pins.problems
    if "judgments" not in recipe.reads:
        # Its own verdicts came after the time it is said to be published; `Replay.until` tells them apart.
        pins.versions |= newest_versions(lake, ["judgments"])
    unknown = [name for name in NEEDED if name not in recipe.reads]
    if unknown:
        pins.versions |= as_of(lake, unknown, row["published_at"])
        found.notes.append(
            f"the drop was published before versions of {', '.join(unknown)} were recorded; they are read as "
            f"of {row['published_at']:%Y-%m-%d %H:%M:%S}Z"
        )
    view = {name: version for name, version in pins.versions.items() if version is not None}
    if recipe.about["evals"] and {"eval_sets", "eval_items"} <= view.keys():
        there = named_sets(PinnedLake(lake, pins.versions), recipe.about["evals"])
        known = set(there.select("eval_set", "version").iter_rows())
        found.problems += [
            f"eval set {each['eval_set']} version {each['version']} is not registered any more"
            for each in recipe.about["evals"]
            if (each["eval_set"], each["version"]) not in known
        ]
    return pins


def _bench(recipe: Recipe, found: _Findings) -> Bench | None:
    try:
        return remembered_bench(recipe.about["judge"])
    except (ValueError, KeyError, TypeError) as error:
        found.problems.append(f"judge: {error}")
        return None


def _curation(recipe: Recipe, found: _Findings) -> CurationSettings | None:
    config = recipe.about["config"]
    try:
        settings = CurationSettings(**config)
    except ValidationError as error:
        names = sorted({".".join(map(str, each["loc"])) for each in error.errors(include_input=False)})
        found.problems.append(f"settings: this release does not know or accept {', '.join(names)}")
        return None
    added = sorted(settings.model_dump(mode="json", exclude={"weights"}).keys() - config.keys())
    if added:
        found.differs.append(f"settings: the release it was built with had no {', '.join(added)}")
    return settings


def _privacy(settings: Settings, recipe: Recipe, found: _Findings) -> Any:
    """The privacy settings with the redaction of the drop."""
    recorded = [name for name in recipe.about["transforms"] if name.startswith("redact@")]
    # Rules are in the name, kinds are not; where they are not recorded, all of them or today's may fit.
    kinds = [recipe.redact] if recipe.redact is not None else [None, settings.privacy.redact]
    tried = []
    for each in kinds if recorded else []:
        privacy = settings.privacy.model_copy(update={"redact_at": "curation", "redact": each})
        redactor = make_redactor(privacy)
        if redactor is not None and redactor.transform == recorded[0]:
            return privacy
        tried.append(redactor.transform if redactor else "none")
    if recorded:
        found.differs.append(f"redaction: {recorded[0]} was used, and {tried[0]} is installed")
        return settings.privacy.model_copy(update={"redact_at": "curation", "redact": kinds[0]})
    return settings.privacy.model_copy(update={"redact_at": "off"})


def _code(recipe: Recipe, found: _Findings) -> None:
    about = recipe.about
    if about["code_version"] != CODE_VERSION:
        found.differs.append(
            f"code: Tailrace {about['code_version']} built it, and {CODE_VERSION} is installed"
        )
    plain = [name for name in about["transforms"] if not name.startswith("redact@")]
    if plain != list(TRANSFORMS):
        found.differs.append(
            f"transforms: {', '.join(plain)} were used, and {', '.join(TRANSFORMS)} are here"
        )
    installed = libraries()
    for name, version in recipe.made_with.items():
        if installed.get(name) != version:
            found.notes.append(
                f"{name} {version} was used, and {installed.get(name, 'none')} is installed: it may write "
                "other bytes"
            )


def _unjudged(
    lake: Lake, recipe: Recipe, row: Mapping[str, Any], found: _Findings
) -> Callable[[str, str, str], str | None]:
    if "judgments" not in recipe.reads:
        return _refused_unjudged(lake, row["drop_id"])
    known = unjudged_of(lake, row["drop_id"], recipe.unjudged)
    if (lost := recipe.unjudged_count - len(known)) > 0:
        found.problems.append(
            f"unjudged: of {recipe.unjudged_count:,} questions that had no verdict {lost:,} are not known "
            "any more"
        )
    return lambda epoch, content, request: known.get((epoch, content, request))


def _refused_unjudged(lake: Lake, drop_id: str) -> Callable[[str, str, str], str | None]:
    """Of drops that kept no questions: requests that were refused for want of a verdict, and why."""
    rows = (
        lake.scan("quarantine")
        .filter(pl.col("drop_id") == drop_id, pl.col("reason").str.starts_with("unjudged_"))
        .select(pl.col("request_ids").list.first(), pl.col("reason").str.strip_prefix("unjudged_"))
        .collect()
    )
    known = dict(rows.iter_rows())
    return lambda _epoch, _content, request: known.get(request)


def _until(recipe: Recipe, row: Mapping[str, Any]) -> datetime | None:
    """Verdicts of the build carry the time it began, which is when it is said to be published."""
    return None if "judgments" in recipe.reads else row["published_at"]
