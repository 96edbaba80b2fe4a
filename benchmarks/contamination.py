"""Precision, recall and speed of the contamination gate, beside datatrove's n-gram filter.

    python -m benchmarks.contamination [--json] [--no-peer]
    python -m benchmarks.contamination --evals-dir DIR --leaks FILE --clean FILE [--json]

Without files: items of GSM8K, HumanEval, IFEval and MT-Bench are planted into clean dialogue (hh-rlhf,
OASST) verbatim, embedded in longer text and lightly edited, and LLM-written paraphrases of them are added,
of the half of the items that the layer was not fitted on. With files: every eval file in DIR is registered,
every row of --leaks should be flagged and none of --clean.

The gate learns what is ordinary from all rows together, leaks included, as it would from live traffic.
`recall`: flagged share by kind; `recall_by_layer`: what each layer alone flags; `precision`: share of leaks
among all flagged; `throughput_ratio`: CPU time of datatrove's filter over that of our n-gram layers on the
same clean texts, both with one thread.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks import command, contamination_leaks, processes
from benchmarks.contamination_rows import SHAPES, Case, cases, eval_items, frame
from benchmarks.peers.environments import python_with
from benchmarks.progress import Progress
from contracts.errors import TailraceError, TerminalError
from curation.contamination.background import learn
from curation.contamination.index import LAYERS, ContaminationIndex
from curation.contamination.sides import TURN
from curation.texts.hashing import hash_texts

SEED: Final = 7
TIMEOUT_S: Final = 900.0
REPEATS: Final = 3

Result = dict[str, Any]


def measure(
    items: pl.DataFrame, leaks: Sequence[Case], clean: Sequence[Case], progress: Progress, *, peer: bool
) -> Result:
    """Recall, precision and speed on given rows."""
    progress.note(f"indexing {items.height:,} texts of eval items")
    rows = [*leaks, *clean]
    index, build_s = indexed(items, rows)
    progress.note(f"checking {len(rows):,} rows")
    started = time.process_time()
    hits = index.check(frame(rows))
    check_s = time.process_time() - started
    result = quality(hits, rows)
    result |= {"items": items.select("eval_set", "item_id").n_unique(), "clean_rows": len(clean)}
    result |= {"all_layers_mb_per_s": megabytes(rows) / check_s, "index_cpu_s": build_s}
    progress.note("timing the n-gram layers")
    return result | speed(items, index, clean, progress, peer=peer)


def indexed(items: pl.DataFrame, rows: Sequence[Case]) -> tuple[ContaminationIndex, float]:
    """The index with what is ordinary learned from the rows, and the CPU seconds it took."""
    started = time.process_time()
    index = ContaminationIndex.build(items)
    turns = ([t for s in (c.prompt, c.chosen, c.rejected) if s for t in s.split(TURN)] for c in rows)
    index = index.with_background(items, learn(turns, *index.learnable()))
    return index, time.process_time() - started


def quality(hits: pl.DataFrame, rows: Sequence[Case]) -> Result:
    """Recall by kind and layer, precision, and how often the right item is among those named."""
    keys = pl.DataFrame(
        {
            "key": [str(n) for n in range(len(rows))],
            "kind": [c.kind for c in rows],
            "source": [c.source for c in rows],
        },
        schema={"key": pl.String, "kind": pl.String, "source": pl.String},
    )
    by_row = hits.group_by("key").agg(pl.col("layer").unique(), pl.col("item_id").unique())
    joined = keys.join(by_row, on="key", how="left")
    leaks, clean = joined.filter(pl.col("kind") != "clean"), joined.filter(pl.col("kind") == "clean")
    flagged = pl.col("layer").is_not_null()
    named = pl.col("item_id").list.contains(pl.col("source")).fill_null(value=False)
    kinds = leaks.group_by("kind").agg(
        rows=pl.len(),
        recall=flagged.mean(),
        right=named.filter(pl.col("source").is_not_null()).mean(),
        **{name: pl.col("layer").list.contains(name).fill_null(value=False).mean() for name in LAYERS},
    )
    hit, false = leaks.filter(flagged).height, clean.filter(flagged).height
    layers_of_false = Counter(name for names in clean["layer"].drop_nulls() for name in names)
    by_kind = {row["kind"]: row for row in kinds.sort("kind").iter_rows(named=True)}
    return {
        "recall": {kind: row["recall"] for kind, row in by_kind.items()},
        "precision": hit / (hit + false) if hit + false else None,
        "false_alarms": false,
        "false_alarms_by_layer": dict(layers_of_false),
        "leak_rows": {kind: row["rows"] for kind, row in by_kind.items()},
        "right_item": {kind: row["right"] for kind, row in by_kind.items() if row["right"] is not None},
        "recall_by_layer": {kind: {name: row[name] for name in LAYERS} for kind, row in by_kind.items()},
    }


def megabytes(rows: Sequence[Case]) -> float:
    """Size of the texts, 10^6 bytes of UTF-8."""
    return sum(len(case.text().encode("utf-8", "replace")) for case in rows) / 1e6


def speed(
    items: pl.DataFrame, index: ContaminationIndex, clean: Sequence[Case], progress: Progress, *, peer: bool
) -> Result:
    """MB of clean text per CPU second of our n-gram layers and of datatrove's filter."""
    texts = [side for case in clean for side in (case.prompt, case.chosen, case.rejected) if side]
    size = sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        index.literal.check(hash_texts(texts))
        seconds.append(time.process_time() - started)
    ours = size / min(seconds)
    result: Result = {"ngram_mb_per_s": ours, "datatrove_mb_per_s": None, "throughput_ratio": None}
    if not peer:
        return result | {"datatrove": "not asked for"}
    progress.note("running datatrove's filter on the same texts")
    try:
        theirs = datatrove(items.filter(role="question")["text"].to_list(), texts)
    except TailraceError as error:
        return result | {"datatrove": f"not installed: {error}"}
    rate = size / theirs["cpu_s"]
    return result | {
        "datatrove_mb_per_s": rate,
        "throughput_ratio": ours / rate,
        "datatrove_flagged_clean_texts": len(theirs["flagged"]),
    }


def datatrove(items: Sequence[str], texts: Sequence[str]) -> Result:
    """Its CPU seconds and the texts it flags. Raises `TerminalError` when it cannot be installed here."""
    with tempfile.TemporaryDirectory(prefix="tailrace-datatrove-") as folder:
        task = {}
        for name, lines in (("items", items), ("texts", texts)):
            path = Path(folder) / name
            path.write_text(json.dumps(list(lines)))
            task[name] = str(path)
        python = python_with("datatrove", "spacy")
        return processes.run("benchmarks.peers.datatrove", task, timeout_s=TIMEOUT_S, python=python).answer


def measure_shared(progress: Progress, *, peer: bool, seed: int = SEED) -> Result:
    """The four public eval sets in clean dialogue, and how often their unregistered siblings are flagged."""
    items, clean = contamination_leaks.items(), contamination_leaks.clean()
    leaks = contamination_leaks.planted(items, clean, seed)
    leaks += contamination_leaks.paraphrases(fitting=False)
    result = measure(items, leaks, clean, progress, peer=peer)
    progress.note("checking unregistered items of the same benchmarks")
    half, others = contamination_leaks.siblings(items, seed)
    index, _ = indexed(half, [*others, *clean])
    found = index.check(frame(others))
    return result | {"siblings": {"rows": len(others), "flagged": found["key"].n_unique()}}


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(f"{__doc__}\n{SHAPES}")
    parser.add_argument("--evals-dir", type=Path, metavar="DIR", help="folder of eval files")
    parser.add_argument("--leaks", type=Path, metavar="FILE", help="rows that hold eval items")
    parser.add_argument("--clean", type=Path, metavar="FILE", help="rows that do not")
    parser.add_argument("--no-peer", action="store_true", help="leave datatrove out")
    arguments = parser.parse_args()
    given = (arguments.evals_dir, arguments.leaks, arguments.clean)

    def run(progress: Progress) -> Result:
        if not any(given):
            return measure_shared(progress, peer=not arguments.no_peer)
        if not all(given):
            raise TerminalError(
                "--evals-dir, --leaks and --clean belong together", hint="Give all three or none."
            )
        items = eval_items(arguments.evals_dir)
        leaks, clean = cases(arguments.leaks, leaks=True), cases(arguments.clean, leaks=False)
        return measure(items, leaks, clean, progress, peer=not arguments.no_peer)

    command.main(run, as_json=arguments.json)


if __name__ == "__main__":
    main()
