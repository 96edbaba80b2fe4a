"""What the benchmark commands share: progress, clean errors, JSON or a table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.brokers import ENGINES
from benchmarks.progress import Progress
from contracts.errors import TailraceError


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options every benchmark has."""
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--json", action="store_true", help="print one JSON object")
    return result


def add_engine(to: argparse.ArgumentParser) -> None:
    """The option --engine."""
    to.add_argument("--engine", choices=ENGINES, default="tansu", help="broker to run on (default tansu)")


def main(measure: Callable[[Progress], dict[str, Any]], *, as_json: bool) -> None:
    """Measure and print. Exit code 1 with a sentence on stderr for our own errors, 130 on Ctrl-C."""
    try:
        with Progress() as progress:
            result = measure(progress)
    except TailraceError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(result) if as_json else table(result))


def table(result: dict[str, Any], indent: str = "") -> str:
    """A result as aligned lines; nested results are indented, lists of them one line each."""
    lines = []
    width = max((len(name) for name in result), default=0)
    for name, value in result.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", table(value, indent + "  ")] if value else []
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [f"{indent}{name}", rows(value, indent + "  ")]
        elif isinstance(value, list):
            lines.append(f"{indent}{name:<{width}}  {' '.join(map(shown, value))}")
        else:
            lines.append(f"{indent}{name:<{width}}  {shown(value):>14}")
    return "\n".join(lines)


def rows(values: list[dict[str, Any]], indent: str = "") -> str:
    """Rows with the same keys as a table with a head."""
    names = list(values[0])
    cells = [names, *([shown(row.get(name)) for name in names] for row in values)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    return "\n".join(
        indent + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        for row in cells
    )


def shown(value: Any) -> str:
    """A value for people."""
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
