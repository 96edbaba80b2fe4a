"""The measured programs of `benchmarks.erasure`: `python -m benchmarks.erasure_process TASK ANSWER`."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow.parquet as pq

from benchmarks.curation_lake import make_lake
from contracts.chat import function_tools
from contracts.settings import RetentionSettings, Settings
from contracts.tables import frame_schema, nullable_columns
from curation.erasure.place import Place, Subject
from curation.erasure.run import erase as erase_person
from sinks.drops.publish import publish
from sinks.drops.staging import stage
from sinks.lake import Lake
from streams.identity import Identity

IDENTITY: Final = Identity(b"benchmark", held_out_share=0.05)
DROP: Final = "20260105-benchmark000"
NOW: Final = datetime(2026, 2, 1, tzinfo=UTC)

_PLAIN: Final[dict[Any, Any]] = {pl.String: "x", pl.Float64: 0.5, pl.Binary: b"\0" * 256, pl.List: []}


def main() -> None:
    """Do what the task says and write the answer."""
    task = json.loads(Path(sys.argv[1]).read_text())
    do = {"make": make, "read": read, "erase": erase}[task["do"]]
    Path(sys.argv[2]).write_text(json.dumps(do(Path(task["home"]), task)))


def make(home: Path, task: dict[str, Any]) -> dict[str, Any]:
    """A lake of so many requests, and a published drop with an example of each."""
    make_lake(home / "lake", task["rows"])
    return fill(home, task)


def fill(home: Path, task: dict[str, Any]) -> dict[str, Any]:
    """A published drop of so many of a lake's requests, not built: every third makes a pair, the others say
    that an answer is bad."""
    lake = Lake(home / "lake")
    requests = lake.scan("requests").sort("request_id").head(task["rows"]).collect()
    paired = pl.int_range(pl.len()) % 3 == 0
    offered = requests["tools"].map_elements(function_tools, return_dtype=pl.String)
    rows = requests.with_columns(offered).select(
        "session_id",
        "user_key",
        "occurred_at",
        "date",
        "feature",
        "fingerprint",
        "model",
        example_id=pl.concat_str(pl.lit("example-"), "request_id"),
        request_ids=pl.concat_list("request_id"),
        evidence_ids=pl.concat_list(pl.lit("s") + pl.col("event_id").str.slice(1)),
        rejected_request_id="request_id",
        kind=pl.when(paired).then(pl.lit("preference")).otherwise(pl.lit("unpaired")),
        pair_source=pl.when(paired).then(pl.lit("user_edit")).otherwise(pl.lit("one_sided")),
        source_type=pl.when(paired).then(pl.lit("user_correction")).otherwise(pl.lit("production_log")),
        slice=pl.lit("failure"),
        consent_scope=pl.lit("training"),
        prompt=_turn("user", "input_messages"),
        rejected=_turn("assistant", "output_messages"),
        chosen=pl.when(paired).then(_turn("assistant", "output_messages", pl.lit(" corrected"))),
        split=pl.lit("train"),
        label=pl.when(~paired).then(pl.lit(value=False)),
        tools="tools",
        margin=pl.lit(None, dtype=pl.Float64),
    )
    tables = {name: _filled(name, rows) for name in ("examples", "example_sketches")}
    tables["preferences"] = _filled("preferences", rows.filter(kind="preference"))
    tables["lineage"] = _filled(
        "lineage",
        rows.select(source_kind=pl.lit("request"), source_id="rejected_request_id", target_id="example_id"),
    )
    drop_rows = rows.with_columns(tables["examples"].select(pl.exclude(rows.columns)))
    settings = Settings(home=home)
    staged = stage(settings.drops_root, DROP, drop_rows, {"drop_id": DROP, "counts": {}, "funnel": []}).folder
    registry = dict.fromkeys(frame_schema("drops")) | {
        "drop_id": DROP,
        "channel": "default",
        "as_of": NOW,
        "published_at": NOW,
        "inputs": json.dumps({"requests": lake.version("requests")}),
        **dict.fromkeys(("config_hash", "code_version", "judge_epoch", "judge"), "x"),
        "preference_rows": tables["preferences"].height,
        "unpaired_rows": rows.height - tables["preferences"].height,
        "quarantined_rows": 0,
    }
    publish(lake, settings.drops_root, staged, registry, tables)
    return {"rows": rows.height}


def _turn(role: str, column: str, *more: pl.Expr) -> pl.Expr:
    """A list with one turn of the first text in stored messages."""
    text = pl.concat_str(pl.col(column).str.json_path_match("$[0].parts[0].content"), *more)
    return pl.concat_str(pl.lit(f'[{{"role":"{role}","content":"'), text, pl.lit('"}]'))


def _filled(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of a table: what is given, plain values elsewhere."""
    schema, nullable = frame_schema(name), nullable_columns(name)
    plain = {
        column: pl.lit(None if column in nullable else _PLAIN.get(type(dtype)), dtype=dtype)
        for column, dtype in schema.items()
    }
    times = {c: pl.lit(NOW).cast(d) for c, d in schema.items() if isinstance(d, pl.Datetime)}
    given = {c: pl.col(c) for c in schema if c in rows.columns}
    fixed = {"drop_id": pl.lit(DROP), "target_kind": pl.lit("example"), "cluster_size": pl.lit(1, pl.Int32)}
    columns = {**plain, **times, **given, **{c: v for c, v in fixed.items() if c in schema}}
    return rows.select(expression.alias(column) for column, expression in columns.items())


def read(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Read every column of every Parquet file once."""
    started = time.perf_counter()
    for path in home.rglob("*.parquet"):
        with pq.ParquetFile(path) as source:
            for group in range(source.num_row_groups):
                source.read_row_group(group)
    return {"seconds": time.perf_counter() - started}


def erase(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Erase one person; seconds between the steps, by the step they led to."""
    settings = Settings(home=home, retention=RetentionSettings(grace_seconds=0))
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    steps: dict[str, float] = {}
    started = last = time.perf_counter()

    def step(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        name = name.partition(":")[0]
        steps[name] = steps.get(name, 0.0) + now - last
        last = now

    place = Place(Lake(home / "lake", hashes=lambda: IDENTITY), settings, IDENTITY, step=step)
    done = erase_person(place, Subject(IDENTITY.user_key("user-7"), "user-7"))
    if not done.absent:
        raise SystemExit(f"not absent: {done.certificate['scan']}")
    return {
        "seconds": time.perf_counter() - started,
        "mb": size / (1 << 20),
        "removed": sum(counts["removed"] for counts in done.certificate["tables"].values()),
        "steps": steps,
    }


if __name__ == "__main__":
    main()
