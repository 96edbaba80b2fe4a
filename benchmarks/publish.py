"""Run the benchmarks and write their results into benchmarks/README.md.

    python -m benchmarks.publish [--only join,memory,…] [--quick] [--engine tansu]

About an hour and a half on two quiet cores; the first time longer, because each peer gets an environment of
its own. Raw results go to benchmarks/results.json; with --render only the README is written again from there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from benchmarks import (
    catch_up,
    command,
    contamination,
    curation,
    drops,
    erasure,
    flat,
    join,
    layout,
    memory,
    reactions,
    redaction,
    tables,
)
from benchmarks.peers.registry import PEERS
from benchmarks.progress import Progress
from contracts.errors import TailraceError, TerminalError

README: Final = Path(__file__).with_name("README.md")
RESULTS: Final = Path(__file__).with_name("results.json")
_PACKAGES: Final = ("confluent-kafka", "polars", "deltalake", "msgspec", "pyarrow")

Measure = Callable[[Progress], dict[str, Any]]


def benchmarks(engine: str, *, quick: bool) -> dict[str, Measure]:
    """What can be run. `quick`: a tenth of everything, to see that it works."""
    million = 100_000 if quick else 1_000_000
    runs = 1 if quick else 2
    joining = argparse.Namespace(
        engine=engine,
        events=million,
        runs=runs,
        processes=os.cpu_count() or 1,
        no_plain=False,
        peers=",".join(PEERS),
        peer_events=10_000 if quick else None,
    )
    return {
        "join": lambda progress: join.measure(joining, progress),
        "memory": lambda progress: memory.measure([million // 10, 3 * million // 10, million], progress),
        "flat": lambda progress: flat.measure(engine, [million // 10, million], progress),
        "catch_up": lambda progress: catch_up.measure(
            engine, million, 200.0 if not quick else 20.0, progress
        ),
        "layout": lambda progress: layout.measure(million // 10 * 3, 144 if quick else 480, progress),
        "curation": lambda progress: curation.measure(
            [million // 10, 3 * million // 10, million], "local", progress
        ),
        "contamination": lambda progress: contamination.measure_shared(progress, peer=True),
        "reactions": lambda progress: reactions.measure(
            engine, 5_000, 10.0 if quick else 120.0, 0.3, 64, progress
        ),
        "drops": lambda progress: drops.measure([million // 10, million], million, progress),
        "erasure": lambda progress: erasure.measure([million // 10, million], progress),
        "redaction": lambda progress: redaction.measure(progress, repeats=1 if quick else 12),
    }


def machine() -> dict[str, Any]:
    """What the results depend on; no names."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / (1 << 30)),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }


def publish(chosen: list[str], engine: str, *, quick: bool) -> None:
    """Run what was chosen, one after the other, and keep each result as soon as it is there."""
    available = benchmarks(engine, quick=quick)
    for name in chosen:
        with Progress() as progress:
            progress.result(f"{name}:")
            result = available[name](progress)
        print(command.table({name: result}))
        if not quick:
            keep(name, {**result, "machine": machine()})
    if not quick:
        render()


def keep(name: str, result: dict[str, Any]) -> None:
    """Put one result beside the others in results.json."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[name] = result
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


def render() -> None:
    """Write the README from results.json. Raises `TerminalError` when there are none."""
    if not RESULTS.exists():
        raise TerminalError("there are no results yet", hint="Run it without --render first.")
    results = json.loads(RESULTS.read_text())
    README.write_text(tables.rewrite(README.read_text(), results))


def main() -> None:
    """Parse arguments, run, write. Exit code 1 with a sentence for our own errors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_engine(parser)
    names = list(benchmarks("tansu", quick=True))
    parser.add_argument("--only", default=",".join(names), help=f"any of {','.join(names)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything; changes no file")
    parser.add_argument("--render", action="store_true", help="only write the README from results.json")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    try:
        if arguments.render:
            render()
        else:
            publish(chosen, arguments.engine, quick=arguments.quick)
    except TailraceError as error:
        print(f"error: {error}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
