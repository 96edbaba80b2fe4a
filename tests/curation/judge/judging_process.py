"""Judges items into a lake, in a process that a test can kill.

`python -m tests.curation.judge.judging_process HOME BASE_URL ITEMS`
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from curation.judge.verdicts import Judgment
from curation.judging import judge_all
from sinks.judge_journal import FOLDER, JudgeJournal
from sinks.lake import Lake
from tests.curation.judge.helpers import item, openai_judge

CONCURRENCY = 16


def judged(home: Path, base_url: str, items: int) -> list[Judgment]:
    """Judge items 0 to `items` - 1, as a nightly build does."""
    with JudgeJournal(home / FOLDER) as journal:
        return judge_all(
            Lake(home / "lake"),
            openai_judge(base_url, concurrency=CONCURRENCY, timeout_seconds=30.0),
            [item(n) for n in range(items)],
            judged_at_us=time.time_ns() // 1_000,
            journal=journal,
        )


if __name__ == "__main__":
    judged(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
