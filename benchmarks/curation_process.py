"""The measured programs of `benchmarks.curation`: `python -m benchmarks.curation_process TASK ANSWER`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.curation_lake import make_lake
from contracts.settings import NightlySettings, Settings
from curation.engine import make_engine
from curation.gating import gate_candidates
from curation.sources import Sources, Workplace
from sinks.lake import Lake

_TEXTS = ("input_messages", "output_messages")


def main() -> None:
    """Do what the task says and write the answer."""
    task = json.loads(Path(sys.argv[1]).read_text())
    home = Path(task["home"])
    do = {"make": make, "read": read, "gate": gate}[task["do"]]
    Path(sys.argv[2]).write_text(json.dumps(do(home, task)))


def make(home: Path, task: dict[str, Any]) -> dict[str, Any]:
    """Make the lake."""
    make_lake(home / "lake", task["rows"], seed=task["seed"])
    return {}


def read(home: Path, task: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Read every text once."""
    started = time.perf_counter()
    rows = Lake(home / "lake").scan("requests").select(pl.col(_TEXTS).str.len_bytes().sum())
    rows.collect(engine="streaming")
    return {"seconds": time.perf_counter() - started}


def gate(home: Path, task: dict[str, Any]) -> dict[str, Any]:
    """Run the build up to the judge."""
    lake = Lake(home / "lake")
    started = time.perf_counter()
    sources = Sources.pin(lake, "default")
    scratch = home / "scratch"
    scratch.mkdir()
    settings = Settings(home=home)
    # Every interaction goes through every step: the most work a build of this lake can be.
    curation = settings.curation.model_copy(update={"failure_threshold": 0.0})
    settings = settings.model_copy(update={"curation": curation})
    engine = make_engine(NightlySettings(engine=task["engine"]))
    place = Workplace(scratch, engine, time.perf_counter)
    gated = gate_candidates(sources, settings, place)
    seconds = time.perf_counter() - started
    size = lake.scan("requests").select(pl.col(_TEXTS).str.len_bytes().sum()).collect(engine="streaming")
    return {
        "seconds": seconds,
        "text_mb": sum(size.row(0)) / 1e6,
        "gated": gated.rows.height,
        "steps": gated.funnel.seconds,
    }


if __name__ == "__main__":
    main()
