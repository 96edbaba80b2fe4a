"""`tailrace simulate` and `tailrace replay`: events into Kafka, or into a file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.options import Bootstrap, Json, require_file, settings_for
from console.sending import send
from console.terminal import print_json, say
from streams.adapters import ADAPTERS, AdapterOptions
from streams.recordings import RawEvent, read_recording, write_recording
from streams.simulator import DEFAULT_START, SimulatedEvent, SimulationConfig, write_truth
from streams.simulator import simulate as run_simulation


class Format(StrEnum):
    """What a file holds."""

    TAILRACE = "tailrace"
    HH_RLHF = "hh-rlhf"
    OASST = "oasst"


class Phase(StrEnum):
    """Which simulated events to send."""

    ALL = "all"
    LIVE = "live"
    LATE = "late"


def simulate(
    sessions: Annotated[int, typer.Option(min=1, help="User sessions to simulate.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 7,
    start: Annotated[
        datetime, typer.Option(help="UTC time of the first event; the last one is `days` later.")
    ] = DEFAULT_START.replace(tzinfo=None),
    days: Annotated[float, typer.Option(min=0.01, help="Days the sessions are spread over.")] = 7.0,
    phase: Annotated[
        Phase, typer.Option(help="live: as they happen; late: outcomes that come days later.")
    ] = Phase.ALL,
    out: Annotated[
        Path | None, typer.Option(help="Write a recording for `tailrace replay` instead of sending.")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="Also write which responses were really bad (the pipeline never reads it)."),
    ] = None,
    bootstrap_servers: Bootstrap = None,
    as_json: Json = False,
) -> None:
    """Simulate a product with LLM features and send its events.

    Several features and behaviour versions (one of them a regression), users with habits, delayed
    outcomes, disorder, duplicates, malformed events, PII in text, consent changes. Deterministic.
    """
    simulation = run_simulation(
        SimulationConfig(sessions=sessions, seed=seed, start=start.replace(tzinfo=UTC), days=days)
    )
    wanted = (e for e in simulation.events if phase is Phase.ALL or e.late == (phase is Phase.LATE))
    if out is not None:
        sent = write_recording(out, map(raw, wanted))
    else:
        sent = send(
            settings_for(bootstrap=bootstrap_servers),
            map(raw, wanted),
            total=simulation.estimated_events,
            quiet=as_json,
        )
    if truth is not None:
        write_truth(truth, simulation.truth)
    if as_json:
        print_json({"events": sent, "sessions": sessions, "seed": seed})
    else:
        say(f"{sent:,} events {'written to ' + str(out) if out else 'sent'}")


def raw(event: SimulatedEvent) -> RawEvent:
    """A simulated event as it travels."""
    return RawEvent(event.topic, event.key, event.value)


def replay(
    files: Annotated[list[Path], typer.Argument(help="JSONL files, gzip allowed.", show_default=False)],
    format: Annotated[
        Format,
        typer.Option(help="tailrace: recorded events; hh-rlhf, oasst: human dialogues told as events."),
    ] = Format.TAILRACE,
    topic: Annotated[
        str | None, typer.Option(help="Topic of bare events (default: told by their fields).")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Dialogues to take from each file.")] = None,
    bootstrap_servers: Bootstrap = None,
    as_json: Json = False,
) -> None:
    """Send recorded events to Kafka.

    A line is an envelope `{"topic", "key", "value"}` or a bare event. Human dialogues
    (Anthropic HH-RLHF, OpenAssistant trees) become requests, edits, regenerations and accepts.
    """
    settings = settings_for(bootstrap=bootstrap_servers)
    counts = {
        str(file): send(settings, read(require_file(file), format, topic, limit), quiet=as_json)
        for file in files
    }
    if as_json:
        print_json({"events": sum(counts.values()), "files": counts})
    else:
        for name, count in counts.items():
            say(f"{count:,} events sent from {name}")


def read(
    file: Path, format: Format, topic: str | None = None, limit: int | None = None
) -> Iterable[RawEvent]:
    """Events of a file in any format."""
    if format is Format.TAILRACE:
        return read_recording(file, topic=topic)
    return ADAPTERS[format.value.replace("-", "_")](file, AdapterOptions(limit=limit))
