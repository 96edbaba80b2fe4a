"""Precision, recall and speed of redaction, beside Microsoft Presidio and detect-secrets on the same texts.

    python -m benchmarks.redaction [--json] [--no-peers]

The texts are made from templates (`redaction_set`); the labels are where the values were put. A value is
found when one span of its kind covers it whole; a span of a kind that touches no value of that kind is wrong.
Speed: the labelled texts for all three, and rows of 1.5 KB as the nightly build redacts them, one in ten of
them with personal data. CPU time throughout.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl

from benchmarks import command
from benchmarks.peers.environments import python_for
from benchmarks.peers.registry import Peer
from benchmarks.processes import ROOT
from benchmarks.progress import Progress
from benchmarks.redaction_set.generate import Example, examples
from contracts.errors import TerminalError
from contracts.messages import encode_messages, text_message
from curation.redaction import Redactor
from curation.redaction.redactor import Text
from curation.redaction.step import redact

PEERS: Final = {"presidio-analyzer": "Presidio, pattern recognizers", "detect-secrets": "detect-secrets"}
_PEER_S: Final = 900
_ROWS: Final = 20_000
_PROSE: Final = (
    "The report arrives every morning, but nobody reads it before the meeting starts.",
    "Could you explain why the second query is slower than the first one?",
    "I tried the steps from the manual and the page still shows the old layout.",
    "Write a short summary of the discussion for people who were not there.",
    "The capital of Australia is Canberra, a planned city between Sydney and Melbourne.",
    "Use a list when the order matters and a set when it does not.",
    "It rained for most of the week, so the harvest was moved to the next one.",
    "The function returns early when the input is empty, which hides the real problem.",
    "Please rewrite the paragraph in a friendlier tone and keep it under two hundred words.",
    "As a next step, compare both plans and tell me which one costs less over three years.",
)

Spans = Sequence[tuple[str, int, int]]


def scores(labelled: Sequence[Example], found: Iterable[Spans], kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Precision, recall and F1 by kind, and of all kinds together."""
    hit, missed, wrong = Counter[str](), Counter[str](), Counter[str]()
    for example, spans in zip(labelled, found, strict=True):
        for label in example.labels:
            covered = any(k == label.kind and s <= label.start and e >= label.end for k, s, e in spans)
            (hit if covered else missed)[label.kind] += 1
        for kind, start, end in spans:
            if not any(
                kind == each.kind and start < each.end and end > each.start for each in example.labels
            ):
                wrong[kind] += 1
    return [
        _score(kind, hit[kind], missed[kind], wrong[kind]) for kind in kinds if hit[kind] + missed[kind]
    ] + [_score("all", *(sum(c[k] for k in kinds) for c in (hit, missed, wrong)))]


def _score(kind: str, hit: int, missed: int, wrong: int) -> dict[str, Any]:
    precision = hit / (hit + wrong) if hit + wrong else 0.0
    recall = hit / (hit + missed) if hit + missed else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    values = {"precision": precision, "recall": recall, "f1": f1}
    return {"kind": kind, "values": hit + missed, **{name: round(v, 4) for name, v in values.items()}}


def measure(
    progress: Progress, *, peers: bool = True, repeats: int = 12, rows: int = _ROWS
) -> dict[str, Any]:
    """All figures."""
    progress.note("making the labelled texts")
    labelled = list(examples("report", repeats=repeats, seed=2026))
    megabytes = sum(len(e.text.encode()) for e in labelled) / 1e6
    redactor = Redactor()
    progress.note("looking for personal data")
    ours = [[(f.kind, f.start, f.end) for f in redactor.find(e.text)] for e in labelled]
    started = time.process_time()
    redactor.redact_conversations([[Text(e.text)] for e in labelled])
    dense = megabytes / (time.process_time() - started)
    progress.note("redacting rows as the nightly build does")
    result: dict[str, Any] = {
        "texts": len(labelled),
        "megabytes": round(megabytes, 3),
        "tailrace": scores(labelled, ours, redactor.kinds),
        "tailrace_mb_per_s": round(dense, 2),
        "rows_mb_per_s": round(_rows_speed(labelled, redactor, rows), 2),
    }
    for package, title in PEERS.items() if peers else ():
        progress.note(title)
        try:
            answer = _peer(package, labelled)
        except TerminalError as error:
            result[package] = {"not_run": str(error)}
            continue
        spans = [[(k, s, e) for k, s, e in each] for each in answer["spans"]]
        its_kinds = (
            ["secret"]
            if package == "detect-secrets"
            else ["email", "iban", "card", "national_id", "phone", "ip"]
        )
        result[package] = scores(labelled, spans, its_kinds)
        result[f"{package}_mb_per_s"] = round(megabytes / answer["cpu_seconds"], 2)
    return result


def _peer(package: str, labelled: Sequence[Example]) -> dict[str, Any]:
    python = python_for(Peer("redaction", PEERS[package], package, 0, "topic"))
    lines = "\n".join(json.dumps(e.text) for e in labelled)
    script = str(ROOT / "benchmarks" / "peers" / "redaction.py")
    done = subprocess.run(
        [str(python), script, package],
        input=lines,
        capture_output=True,
        text=True,
        timeout=_PEER_S,
        check=False,
    )
    if done.returncode:
        raise TerminalError(f"{package} failed: {done.stderr.strip()[-300:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _rows_speed(labelled: Sequence[Example], redactor: Redactor, rows: int) -> float:
    """MB of stored messages per CPU second of the nightly step: 1.5 KB a row, three rows a session."""
    draw = random.Random(7)
    personal = [e.text for e in labelled if e.labels]

    def message(role: str) -> str:
        text = ""
        while len(text) < 650:
            text += draw.choice(_PROSE) + " "
        if draw.random() < 0.05:
            text += draw.choice(personal)
        return encode_messages([text_message(role, text)])

    start = datetime(2026, 3, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "request_id": [f"r{n}" for n in range(rows)],
            "session_id": [f"s{n // 3}" for n in range(rows)],
            "occurred_at": [start + timedelta(seconds=n) for n in range(rows)],
            "input_messages": [message("user") for _ in range(rows)],
            "output_messages": [message("assistant") for _ in range(rows)],
        }
    )
    size = sum(int(frame[name].str.len_bytes().sum()) for name in ("input_messages", "output_messages")) / 1e6
    started = time.process_time()
    redact(frame, redactor)
    return size / (time.process_time() - started)


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(__doc__)
    parser.add_argument("--no-peers", action="store_true", help="only this redaction; installs nothing")
    arguments: argparse.Namespace = parser.parse_args()
    command.main(lambda progress: measure(progress, peers=not arguments.no_peers), as_json=arguments.json)


if __name__ == "__main__":
    main()
