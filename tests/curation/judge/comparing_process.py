"""Compares pairs into a lake, in a process that a test can kill.

`python -m tests.curation.judge.comparing_process HOME BASE_URL PAIRS`
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from curation.judge.pairwise import Preference
from curation.judging_pairs import compare_all
from curation.verdict_memory import Memory
from sinks.judge_journal import FOLDER, JudgeJournal
from sinks.lake import Lake
from tests.curation.judge.helpers import comparison, pairwise_judge

CONCURRENCY = 8


def compared(home: Path, base_url: str, pairs: int) -> list[Preference]:
    """Compare pairs 0 to `pairs` - 1, as a nightly build does."""
    with JudgeJournal(home / FOLDER) as journal:
        return compare_all(
            Memory(Lake(home / "lake"), time.time_ns() // 1_000, journal),
            pairwise_judge(base_url, concurrency=CONCURRENCY, timeout_seconds=30.0),
            [comparison(n) for n in range(pairs)],
        )


if __name__ == "__main__":
    compared(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
