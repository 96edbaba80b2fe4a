"""datatrove's NGramsDecontFilter on given texts: how fast it is, and which it flags.

Runs in an environment of its own (`python -m benchmarks.peers.datatrove TASK ANSWER`). The index is made by
its own indexer's `compute_hashes` rules over whole questions: runs of 12 words of each item.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Read the task (`items`, `texts`: files with a JSON list of strings), filter, write the answer."""
    from datatrove.data import Document
    from datatrove.pipeline.decont.n_grams import NGramsDecontFilter
    from datatrove.utils.text import ngrams, simplify_text

    task = json.loads(Path(sys.argv[1]).read_text())
    items, texts = (json.loads(Path(task[name]).read_text()) for name in ("items", "texts"))
    step = NGramsDecontFilter(task["folder"])
    size, norm = step.config.n_grams, step.config.norm_config
    step._index_hashes = {
        step.hash_func(" ".join(run)): "evals"
        for item in items
        for run in ngrams(step.tokenizer.word_tokenize(simplify_text(item, norm)), size)
    }
    documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
    started = time.process_time()
    flagged = [number for number, document in enumerate(documents) if step.filter(document) is not True]
    seconds = time.process_time() - started
    Path(sys.argv[2]).write_text(json.dumps({"cpu_s": seconds, "flagged": flagged}))


if __name__ == "__main__":
    main()
