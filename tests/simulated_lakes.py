"""A lake of simulated traffic with its latent truth, without a broker: for what needs many requests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from contracts.settings import KafkaSettings
from contracts.tables import frame_schema
from curation.scoring import score
from joiners.interactions import join
from joiners.windows import KINDS
from sinks.lake import Lake
from sinks.transactions import append_messages, append_revisions
from streams.decoding import Decoder, RawMessage
from streams.identity import Identity
from streams.join_step import interaction_rows
from streams.simulator import SimulationConfig, simulate, write_truth
from tests.lakes import HORIZON_US, new_lake


def simulated_lake(home: Path, *, sessions: int = 900, seed: int = 5) -> Lake:
    """A lake in `home` with everything joined, late outcomes included, and `truth.jsonl` beside it."""
    lake = new_lake(home / "lake")
    start = datetime(2026, 3, 1, tzinfo=UTC)
    simulation = simulate(SimulationConfig(sessions=sessions, seed=seed, start=start, days=7))
    decoder = Decoder(KafkaSettings(), Identity(b"test", held_out_share=0.05))
    messages = [
        RawMessage(event.topic, 0, n, event.arrives_at_us, event.key, event.value)
        for n, event in enumerate(simulation.events)
    ]
    decoder.feed(messages, now_us=simulation.config.end_us)
    frames = decoder.take().frames
    for kind, frame in frames.items():
        append_messages(lake, kind, f"{kind}@test", frame.select(list(frame_schema(kind))))
    joined = join(*(frames[kind] for kind in KINDS), horizon_us=HORIZON_US, late_evidence=True)
    rows = interaction_rows(score(joined), watermarks={}, horizon_us=HORIZON_US, settled_at_us=1)
    append_revisions(lake, rows, watermarks={0: simulation.config.end_us})
    write_truth(home / "truth.jsonl", simulation.truth)
    return lake
