"""The reactions, or their judge alone, in a process of its own.

`python -m benchmarks.reactions_process worker SETTINGS_JSON` runs the real worker until SIGTERM.
`python -m benchmarks.reactions_process asker SETTINGS_JSON QUESTIONS` asks questions about texts of the lake
without Kafka, Faust, or lake in between, and prints seconds and CPU seconds.
"""

from __future__ import annotations

import json
import logging
import sys
import time

from contracts.settings import Settings
from curation.judge.asking import LiveAsker
from curation.judge.base import make_judge
from curation.judge.openai_judge import OpenAIJudge
from curation.judging import judge_items
from sinks.lake import Lake
from streams.identity import Identity


def worker(settings: Settings) -> int:
    """Run the reactions until stopped."""
    from streams.reactions.app import REACTIONS
    from streams.reactions.worker import run

    logging.basicConfig(level=logging.WARNING)
    lake = Lake(settings.lake_root)
    return run(settings, lake, Identity(b"benchmark", held_out_share=0.05), frozenset({REACTIONS}))


def asker(settings: Settings, questions: int) -> dict[str, float]:
    """What the endpoint and the asker can do together."""
    rows = Lake(settings.lake_root).interactions().head(questions)
    texts = (
        Lake(settings.lake_root).requests().select("request_id", "input_messages", "output_messages", "tools")
    )
    items = judge_items(rows.join(texts, on="request_id").collect())
    judge = make_judge(settings.judge)
    assert isinstance(judge, OpenAIJudge)
    assert isinstance(judge.asker, LiveAsker)
    judge.asker.ask([judge.question(item) for item in items[:100]])
    started, cpu = time.perf_counter(), time.process_time()
    outcomes = judge.asker.ask([judge.question(item) for item in items])
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    judged = sum(outcome.answer is not None for outcome in outcomes)
    return {"judged": judged, "seconds": seconds, "cpu_s": used}


if __name__ == "__main__":
    loaded = Settings.model_validate_json(sys.argv[2])
    if sys.argv[1] == "worker":
        sys.exit(worker(loaded))
    print(json.dumps(asker(loaded, int(sys.argv[3]))))
