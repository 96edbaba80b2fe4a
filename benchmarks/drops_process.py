"""The measured programs of `benchmarks.drops`: `python -m benchmarks.drops_process TASK ANSWER`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
import pyarrow.parquet as pq

from benchmarks.curation_lake import START_MS, make_lake
from benchmarks.erasure_process import IDENTITY, erase, fill
from benchmarks.pieces import costs, measured
from contracts.settings import KafkaSettings, LakeSettings, Settings
from contracts.tables import frame_schema
from curation.erasure.successors import COPIED
from curation.judge.base import make_judge
from curation.nightly import make_drop
from sinks import audits
from sinks.drops.diff import NEEDED, diff
from sinks.drops.manifest import SUMS_FILE, read_manifest, verify
from sinks.drops.publish import publish, registry
from sinks.drops.reading import read_rows
from sinks.drops.staging import stage
from sinks.lake import Lake
from sinks.transactions import append_messages
from streams.decoding import Decoder, RawMessage, input_topics

NOW_US: Final = 1_900_000_000_000_000
TODAY: Final = "20260201-benchmark000"

REQUESTS_PER_EXAMPLE: Final = 1.42
"""Of the requests one in twenty is held out, and of the rest one in four is nothing the judge is sure of."""

REVOKING: Final = 100
"""One user in so many takes consent back after the drop."""

_LEFT_OUT, _NEW, _RELABELLED = range(2), range(2, 4), range(4, 6)
"""Of a hundred rows: those that today's drop lacks, has instead, and says something else of."""

AUDITED: Final = ("example_id", "drop_id", "user_key", "session_id", "consent_scope")
"""What the question for revoked consent reads of `examples`; `session_id` tells whose a nameless row is."""


def main() -> None:
    """Do what the task says and write the answer."""
    task = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(PROGRAMS[task["do"]](Path(task["home"]), task)))


def make(home: Path, task: dict[str, Any]) -> dict[str, Any]:
    """A lake of so many requests that about `rows` examples come of them."""
    make_lake(home / "lake", round(task["rows"] * REQUESTS_PER_EXAMPLE), tools=True)
    return {}


def build(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """The nightly build, from settling to the registry."""
    settings = Settings(home=home)
    # Every interaction goes through every step: the most work a build of this lake can be.
    curation = settings.curation.model_copy(update={"failure_threshold": 0.0, "max_per_user": 0})
    settings = settings.model_copy(update={"curation": curation})
    judge = make_judge(settings.judge, curation=curation)
    settings.drops_root.mkdir(parents=True, exist_ok=True)
    made, cost = measured(lambda: make_drop(_lake(home), settings.drops_root, settings, judge, now_us=NOW_US))
    rows = made.preference_rows + made.unpaired_rows
    return costs(cost, rows=rows, steps=made.seconds, mb=_size_mb(made.folder))


def prepare(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Read yesterday's drop back, and lay today's rows ready: most of them the same."""
    rows, cost = measured(lambda: read_rows(_drop(home)))
    _today(rows).write_parquet(home.parent / "rows.parquet")
    return costs(cost)


def write(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Publish today's drop of rows that are in memory: every file written, checked, and registered."""
    rows, content = pl.read_parquet(home.parent / "rows.parquet"), read_manifest(_drop(home))
    content = {k: v for k, v in content.items() if k not in ("files", "format_version")} | {"drop_id": TODAY}
    today = home.parent / "today"
    lake = Lake(today / "lake")
    lake.create(LakeSettings())
    root = today / "drops"
    staged, staging = measured(lambda: stage(root, TODAY, rows, content))
    row = registry(_lake(home)).row(0, named=True) | {"drop_id": TODAY, "scheduled_for": None}
    _, publishing = measured(lambda: publish(lake, root, staged.folder, row, _Tables(_lake(home))))
    return {"stage": costs(staging), "publish": costs(publishing)}


def arrow(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """The ceiling: pyarrow writing the drop's own tables once, zstd, and nothing else."""
    tables = {path: pq.read_table(path) for path in _parquet(home)}
    target = home.parent / "arrow.parquet"

    def write_all() -> None:
        for table in tables.values():
            pq.write_table(table, target, compression="zstd", row_group_size=10_000)

    return costs(measured(write_all)[1])


def datasets(home: Path, task: dict[str, Any]) -> dict[str, Any]:
    """The peer: `datasets` writing the same rows as Parquet, and the pairs as JSON lines too."""
    from datasets import Dataset, disable_progress_bars  # type: ignore[import-untyped]

    disable_progress_bars()
    cache, target = str(Path(task["folder"]) / "cache"), home.parent / "datasets.out"
    loaded = {path: Dataset.from_parquet(str(path), cache_dir=cache) for path in _parquet(home)}

    def write_all() -> None:
        for path, rows in loaded.items():
            rows.to_parquet(target)
            if path.parent.name == "preference":
                rows.to_json(target)

    return costs(measured(write_all)[1])


def check(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Verify a drop: every byte."""
    problems, cost = measured(lambda: verify(_drop(home)))
    if problems:
        raise SystemExit(f"the drop is broken: {problems}")
    return costs(cost, mb=_size_mb(_drop(home)))


def sha256sum(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """The ceiling of verifying: coreutils' sha256sum over the same files."""
    command = ["sha256sum", "--check", "--quiet", SUMS_FILE]
    return costs(measured(lambda: subprocess.run(command, cwd=_drop(home), check=True))[1])


def compare(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """What changed between yesterday's and today's drop."""
    folders = (_drop(home), home.parent / "today" / "drops" / TODAY)

    def compared() -> Any:
        lakes = (_lake(home), Lake(home.parent / "today" / "lake"))
        before, after = (
            lake.scan("examples").filter(pl.col("drop_id") == folder.name).select(NEEDED).collect()
            for lake, folder in zip(lakes, folders, strict=True)
        )
        return diff(before, after, *map(read_manifest, folders))

    found, cost = measured(compared)
    if not (found.added and found.removed and found.relabelled):
        raise SystemExit("nothing changed between the drops")
    return costs(cost, added=len(found.added), removed=len(found.removed), relabelled=len(found.relabelled))


def revoke(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Some users take consent back, after the drop."""
    lake = _lake(home)
    users = lake.scan("requests").select(pl.col("occurred_at").max(), pl.len()).collect()
    at = int(users["occurred_at"][0].timestamp() * 1000) + 60_000
    (name,) = (topic for kind, (topic, _) in input_topics(KafkaSettings()).items() if kind == "consents")
    decoder = Decoder(KafkaSettings(), IDENTITY)
    events = [
        {"event_id": f"c{n}", "user_id": f"user-{n}", "occurred_at": at, "granted": False}
        | {"scope": "training", "policy_version": "2026-02"}
        for n in range(0, users["len"][0] // 30, REVOKING)
    ]
    messages = [RawMessage(name, 0, n, 0, None, msgspec.json.encode(event)) for n, event in enumerate(events)]
    decoder.feed(messages, now_us=START_MS * 2_000)
    decoded = decoder.take()
    if decoded.dead_letters.height:
        raise SystemExit(f"refused: {decoded.dead_letters['detail'][0]}")
    frame = decoded.frames["consents"]
    append_messages(lake, "consents", f"{name}@benchmark", frame.select(list(frame_schema("consents"))))
    return {"revoked": len(events)}


def audit(home: Path, task: dict[str, Any]) -> dict[str, Any]:
    """One of an auditor's questions."""
    lake, drop = _lake(home), _drop(home).name
    some = lake.scan("examples").select("example_id").head(1).collect().item()
    questions: dict[str, Callable[[], Any]] = {
        "consent": lambda: audits.revoked(lake, datetime(2027, 1, 1, tzinfo=UTC)).rows.height,
        "example": lambda: len(audits.example(lake, some)["rows"]),
        "user": lambda: sum(audits.user(lake, IDENTITY.user_key("user-77"))["tables"].values()),
        "by judge": lambda: audits.breakdown(lake, drop, "judge").height,
    }
    found, cost = measured(questions[task["question"]])
    if not found:
        raise SystemExit(f"{task['question']}: no answer")
    return costs(cost, found=found)


def scan(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """The floor of an audit: polars reading the columns of `examples` the widest question needs."""
    rows = _lake(home).scan("examples").select(AUDITED)
    read = rows.select(pl.all().hash().max())
    return costs(measured(lambda: read.collect(engine="streaming"))[1])


def remove(home: Path, task: dict[str, Any]) -> dict[str, Any]:
    """Erase one user, successor drop included."""
    done, cost = measured(lambda: erase(home, task))
    return costs(cost, steps=done["steps"], removed=done["removed"])


def read_all(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """The floor of an erasure: every column of every Parquet file of the home read once."""

    def read() -> None:
        for path in [*(home / "lake").rglob("*.parquet"), *(home / "drops").rglob("*.parquet")]:
            with pq.ParquetFile(path) as source:
                for group in range(source.num_row_groups):
                    source.read_row_group(group)

    return costs(measured(read)[1])


class _Tables(Mapping[str, pl.DataFrame]):
    """Rows of the lake's tables for today's drop, one table in memory at a time."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def __iter__(self) -> Iterator[str]:
        return iter(COPIED)

    def __len__(self) -> int:
        return len(COPIED)

    def __getitem__(self, name: str) -> pl.DataFrame:
        rows = self._lake.scan(name).collect().with_columns(drop_id=pl.lit(TODAY))
        return _today(rows) if "example_id" in rows.columns else rows


def _today(rows: pl.DataFrame) -> pl.DataFrame:
    """Yesterday's rows as today has them; the same rows of every table change."""
    kind = pl.col("example_id").hash(0) % 100
    rows = rows.filter(~kind.is_in(_LEFT_OUT))
    fresh = pl.concat_str(pl.col("example_id").str.slice(0, 63), pl.lit("n"))
    changed = [
        pl.when(kind.is_in([*_NEW, *_RELABELLED])).then(fresh).otherwise("example_id").alias("example_id")
    ]
    if "label" in rows.columns:
        told = kind.is_in(_RELABELLED) & pl.col("label").is_not_null()
        changed.append(pl.when(told).then(~pl.col("label")).otherwise("label").alias("label"))
        if "chosen" in rows.columns:
            sides = {"chosen": "rejected", "rejected": "chosen"}
            changed += [pl.when(told).then(b).otherwise(a).alias(a) for a, b in sides.items()]
    return rows.with_columns(changed)


def _lake(home: Path) -> Lake:
    return Lake(home / "lake", hashes=lambda: IDENTITY)


def _drop(home: Path) -> Path:
    """Yesterday's drop: the one that was built."""
    root = home / "drops"
    return root / (root / "LATEST").read_text().strip()


def _parquet(home: Path) -> list[Path]:
    return sorted(_drop(home).rglob("*.parquet"))


def _size_mb(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / (1 << 20))


PROGRAMS: Final[dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]]] = {
    "make": make,
    "build": build,
    "fill": fill,
    "arrow": arrow,
    "datasets": datasets,
    "verify": check,
    "sha256sum": sha256sum,
    "read back": prepare,
    "write": write,
    "diff": compare,
    "revoke": revoke,
    "audit": audit,
    "scan": scan,
    "read all": read_all,
    "erase": remove,
}


if __name__ == "__main__":
    main()
