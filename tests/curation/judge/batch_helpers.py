"""Judges that ask in batches, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from curation.judge.asking import LiveAsker
from curation.judge.batch import BatchAsker, Polling
from curation.judge.batch_files import FileLimits
from curation.judge.batch_memory import BatchRecord
from curation.judge.batch_place import Batches, OnPoll
from curation.judge.budget import Prices
from curation.judge.openai_judge import OpenAIJudge
from curation.judge.rubrics import load_rubric
from curation.judge.session import RetryPolicy
from tests.curation.judge.helpers import openai_judge

BATCH_PRICES = Prices(input_per_million=1.0, output_per_million=4.0, share=0.5)


def batch_judge(base_url: str, folder: Path, on_poll: OnPoll | None = None, **changes: Any) -> OpenAIJudge:
    """A judge that asks a test server in batches, with short waits; other changes as for `openai_judge`."""
    wait = changes.pop("wait", 20.0)
    limits = changes.pop("limits", None)
    rubric = changes.get("rubric")
    live = openai_judge(base_url, **changes).asker
    assert isinstance(live, LiveAsker)
    asker = BatchAsker(
        live,
        Batches(folder=folder, on_poll=on_poll),
        prices=BATCH_PRICES,
        retries=RetryPolicy(max_retries=3, backoff_seconds=0.01, max_backoff_seconds=0.05),
        polling=Polling(wait=wait, first=0.01, longest=0.05),
        limits=limits or FileLimits(),
    )
    return OpenAIJudge(asker, rubric or load_rubric())


def records(folder: Path) -> list[BatchRecord]:
    """What is remembered in a folder."""
    return [msgspec.json.decode(p.read_bytes(), type=BatchRecord) for p in sorted(folder.glob("*.json"))]
