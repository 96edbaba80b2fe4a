"""The nightly build: from settled interactions to a published drop.

settle → build (`curation.build`) → publish. The same inputs, settings and code give the same drop id and the
same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from contracts.errors import TerminalError
from contracts.settings import Settings
from contracts.tables import frame_schema
from curation.buckets import scratch
from curation.build import Build, build
from curation.drop_rows import table_rows, transforms_of
from curation.engine import Engine, LocalEngine
from curation.judge.authority import Authority
from curation.judge.base import Judge
from curation.judge.bench import Bench
from curation.judge.epochs import EpochChange, note_epoch
from curation.judge.in_force import authority
from curation.judge.tasks import write_tasks
from curation.judge.verdicts import Spend
from curation.label_snapshot import labels_sha256
from curation.redaction.step import make_redactor
from curation.scoring import DEFAULT_MODEL, ScoreModel
from curation.settle import SettleReport, settle
from curation.sources import NEEDED, Progress, Sources, Workplace, silent
from curation.unjudged import keep_unjudged
from curation.verdict_memory import Memory
from sinks.drops.lock import exclusive
from sinks.drops.manifest import read_manifest, stable_hash, verify
from sinks.drops.publish import publish, published, settle_latest
from sinks.drops.recipe import Recipe, drop_id_of, encode, libraries, plain
from sinks.drops.staging import Staged, stage
from sinks.evals import identity
from sinks.judge_journal import FOLDER, JudgeJournal
from sinks.lake import Lake
from sinks.openlineage import BuildRun, Emitter

CODE_VERSION = version("tailrace")


@dataclass(frozen=True, slots=True)
class DropResult:
    """What a build came to. `new` is false when the very same drop was published before.

    `seconds`: step → time it took when the drop was built. `changes`: judges this lake has not seen.
    """

    drop_id: str
    folder: Path
    new: bool
    preference_rows: int
    unpaired_rows: int
    quarantined_rows: int
    funnel: list[dict[str, Any]]
    seconds: dict[str, float]
    settled: SettleReport
    spent: Spend
    changes: tuple[EpochChange, ...] = ()


def drop_identity(
    settings: Settings,
    score_version: str,
    bench: Bench,
    sources: Sources,
    power: Authority,
    *,
    code_version: str = CODE_VERSION,
) -> dict[str, Any]:
    """Everything a drop is a function of (`sinks.drops.recipe.IDENTITY`); its hash names the drop."""
    # Where the weights lie says nothing; what they are does (`score_version`).
    config = settings.curation.model_dump(mode="json", exclude={"weights"})
    return {
        "as_of": sources.as_of,
        "inputs": dict(sources.versions),
        "transforms": transforms_of(settings),
        "evals": identity(sources.evals),
        "releases": sorted(sources.released),
        "earlier_drops": list(sources.earlier),
        "config": config,
        "config_hash": stable_hash(config),
        "score_version": score_version,
        "judge": bench.manifest(),
        "authority": power.identity(),
        "code_version": code_version,
    }


def make_drop(
    lake: Lake,
    drops_root: Path,
    settings: Settings,
    judge: Judge | Bench,
    *,
    now_us: int,
    as_of: datetime | None = None,
    night: datetime | None = None,
    model: ScoreModel = DEFAULT_MODEL,
    engine: Engine | None = None,
    progress: Progress = silent,
    step: Callable[[str], None] | None = None,
) -> DropResult:
    """Settle, build and publish a drop; publishing the same drop again changes nothing.

    `as_of` limits what is seen to events up to that time; without it everything in the lake is.
    `night` is the scheduled moment it is built for: of each moment one drop is published, whoever builds it
    (`Overtaken` for the others).
    `now_us` is the clock, UTC microseconds; `engine` runs the work on texts. Waits while another build
    under the same `drops_root` runs. Raises `TerminalError` when the lake holds nothing.
    """
    bench = Bench.over(judge, settings.judge)
    with exclusive(drops_root):
        settled = settle(lake, horizon_us=settings.join.horizon_us, now_us=now_us, model=model)
        sources = Sources.pin(lake, settings.curation.channel, as_of)
        epochs = list(bench.epochs().values())
        noted = [note_epoch(lake, epoch, now_us) for epoch in epochs]
        power = authority(sources.lake, settings, epochs)
        about = drop_identity(settings, model.version, bench, sources, power)
        channel = settings.curation.channel
        drop_id = drop_id_of(about)
        if (row := published(lake, drop_id)) is not None:
            settle_latest(lake, drops_root, channel)
            return _existing(drops_root, drop_id, row, settled)
        run = BuildRun(
            job=f"drop.{channel}",
            drop_id=drop_id,
            as_of=sources.as_of,
            inputs=sources.versions,
            lake_root=settings.lake_root,
            roots={name: lake.stores.of(name).root for name in sources.versions},
            drops_root=drops_root,
        )
        with Emitter.from_settings(settings, code_version=CODE_VERSION).run(run):
            with scratch(drops_root) as folder, JudgeJournal(settings.home / FOLDER) as journal:
                place = Workplace(folder, engine or LocalEngine(), time.perf_counter, progress)
                memory = Memory(lake, now_us, journal)
                built = build(sources, settings, bench, place, power=power, memory=memory)
            recipe = _recipe(lake, drop_id, about, sources, memory, power, settings, model.fitted_on)
            # Before publication: a published drop is never built again, so nobody would route them later.
            write_tasks(lake, built.to_people, now_us=now_us, drop_id=drop_id)
            staged = stage(
                drops_root, drop_id, built.rows, manifest_content(about, built, drop_id, model.fitted_on)
            )
            run.files, run.checks = staged.manifest["files"], staged.checks
            result = _publish(
                lake,
                sources,
                drops_root,
                staged,
                about,
                recipe,
                built,
                bench,
                settled,
                now_us=now_us,
                night=night,
                step=step,
            )
        return replace(result, changes=tuple(change for change in noted if change is not None))


def _recipe(
    lake: Lake,
    drop_id: str,
    about: Mapping[str, Any],
    sources: Sources,
    memory: Memory,
    power: Authority,
    settings: Settings,
    fitted_on: Mapping[str, Any] | None,
) -> Recipe:
    """What building the drop again takes; keeps the questions that stayed without a verdict."""
    redactor = make_redactor(settings.privacy)
    return Recipe(
        about=plain(about),
        # After the last verdict; those that others stored meanwhile are told apart by `unjudged`.
        reads={
            **{name: sources.reads[name] for name in NEEDED},
            "judgments": lake.version("judgments"),
        },
        unjudged=keep_unjudged(lake, drop_id, memory.unjudged),
        unjudged_count=len(memory.unjudged),
        labels=labels_sha256(power.gold),
        fitted_on=None if fitted_on is None else dict(fitted_on),
        redact=None if redactor is None else list(redactor.kinds),
        made_with=libraries(),
    )


def _publish(
    lake: Lake,
    sources: Sources,
    drops_root: Path,
    staged: Staged,
    about: Mapping[str, Any],
    recipe: Recipe,
    built: Build,
    bench: Bench,
    settled: SettleReport,
    *,
    now_us: int,
    night: datetime | None,
    step: Callable[[str], None] | None,
) -> DropResult:
    drop_id, counts = staged.manifest["drop_id"], staged.manifest["counts"]
    tables = table_rows(built.rows, built.funnel.refused(), drop_id, sources.as_of)
    tables["example_sketches"] = built.sketches.with_columns(drop_id=pl.lit(drop_id)).select(
        list(frame_schema("example_sketches"))
    )
    registry_row = {
        "drop_id": drop_id,
        "channel": about["config"]["channel"],
        "as_of": sources.as_of,
        "published_at": datetime.fromtimestamp(now_us / 1_000_000, UTC),
        "inputs": msgspec.json.encode(dict(sources.versions)).decode(),
        "config_hash": about["config_hash"],
        "code_version": CODE_VERSION,
        "judge_epoch": bench.epoch.id,
        "judge": bench.epoch.name,
        "preference_rows": counts["preference"],
        "unpaired_rows": counts["unpaired"],
        "quarantined_rows": counts["quarantined"],
        "step_seconds": msgspec.json.encode(built.funnel.seconds).decode(),
        "scheduled_for": night,
        "recipe": encode(recipe),
    }
    folder = publish(lake, drops_root, staged.folder, registry_row, tables, step=step)
    return DropResult(
        drop_id=drop_id,
        folder=folder,
        new=True,
        preference_rows=counts["preference"],
        unpaired_rows=counts["unpaired"],
        quarantined_rows=counts["quarantined"],
        funnel=built.funnel.stats,
        seconds=built.funnel.seconds,
        settled=settled,
        spent=built.spent,
    )


def manifest_content(
    about: Mapping[str, Any], built: Build, drop_id: str, fitted_on: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the manifest of a drop says besides its files. fitted_on: labels its score was fitted on."""
    per_kind = dict(built.rows.group_by("kind").len().iter_rows())
    return {
        "drop_id": drop_id,
        "channel": about["config"]["channel"],
        **about,
        "counts": {
            "preference": per_kind.get("preference", 0),
            "unpaired": per_kind.get("unpaired", 0),
            "quarantined": built.funnel.refused().height,
        },
        "kto": kto_weights(built.rows),
        "judge_cost": built.cost,
        **built.blocks,
        "labels": {**built.labels, "score_fitted_on": fitted_on},
        "funnel": built.funnel.stats,
    }


def kto_weights(rows: pl.DataFrame) -> dict[str, float]:
    """Suggested KTO class weights: in the training split the rarer class is weighed up to weigh as much.

    Source: KTO paper (Ethayarajh et al., 2024), section 4.1: keep
    (desirable_weight × desirable) / (undesirable_weight × undesirable) in [1, 4/3]. TRL's `KTOTrainer` checks
    that of the rows it trains on.
    """
    labels = rows.filter(pl.col("kind") == "unpaired", pl.col("split") == "train")["label"]
    good = int(labels.sum())
    bad = labels.len() - good
    if not good or not bad:
        return {"desirable_weight": 1.0, "undesirable_weight": 1.0}
    return {
        "desirable_weight": round(max(1.0, bad / good), 4),
        "undesirable_weight": round(max(1.0, good / bad), 4),
    }


def step_seconds(row: Mapping[str, Any]) -> dict[str, float]:
    """Time each step took from a drop's registry row, seconds by step in order; empty when not recorded."""
    return msgspec.json.decode(row["step_seconds"], type=dict[str, float]) if row["step_seconds"] else {}


def _existing(drops_root: Path, drop_id: str, row: Mapping[str, Any], settled: SettleReport) -> DropResult:
    folder = drops_root / row["path"]
    if problems := verify(folder):
        raise TerminalError(
            f"drop {drop_id} was published before, but its files changed: {'; '.join(problems)}",
            hint="Restore the folder from a copy; published drops are immutable.",
        )
    manifest = read_manifest(folder)
    return DropResult(
        drop_id=drop_id,
        folder=folder,
        new=False,
        preference_rows=row["preference_rows"],
        unpaired_rows=row["unpaired_rows"],
        quarantined_rows=row["quarantined_rows"],
        funnel=manifest["funnel"],
        seconds=step_seconds(row),
        settled=settled,
        spent=Spend(),
    )
