"""Fit the paraphrase layer's coefficients; report them, and what thresholds cost, on the other half.

    python -m benchmarks.contamination_fit [--json]

Everything is chosen on the items of the fitting half (`contamination_leaks.is_for_fitting`). That half is cut
in two; each part is registered in turn. Positives: paraphrases of the registered part. Negatives: originals
and paraphrases of the part that is not registered, and ordinary dialogue. A logistic regression with a small
ridge (one prior observation a coefficient) weighs the evidence of the likeliest passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
from threadpoolctl import threadpool_limits

from benchmarks import command, contamination_leaks
from benchmarks.contamination import indexed
from benchmarks.contamination_rows import Case
from benchmarks.progress import Progress
from curation.contamination.paraphrase import COEFFICIENTS, Evidence, passage_batches
from curation.contamination.sides import TURN
from curation.selection import uniform

RIDGE: Final = 0.33
STEPS: Final = 50
THRESHOLDS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)

Array = npt.NDArray[np.float64]
Observation = tuple[bool, int, bool, Evidence]
"""Whether the text is a paraphrase of the unit, which text it is, whether it is a leak, the evidence."""


def observations(items: pl.DataFrame, texts: Sequence[Case]) -> Iterator[Observation]:
    """Evidence for every candidate among the registered `items` of every text.

    Word frequencies are learned from the texts. A text whose `source` is registered is a leak.
    """
    registered = set(items["item_id"])
    index, _ = indexed(items, texts)
    turns = [(n, part) for n, case in enumerate(texts) for part in (case.text() or "").split(TURN)]
    owner = [n for n, _ in turns]
    names = index.units["item_id"]
    for batch in passage_batches([part for _, part in turns], index.paraphrase.sizes):
        for (number, _), unit, evidence in index.paraphrase.candidates(batch):
            source = texts[owner[number]].source
            yield names[index.paraphrase.unit(unit)] == source, owner[number], source in registered, evidence


def fit(labels: npt.NDArray[np.bool_], features: Array) -> Array:
    """Coefficients with the intercept first, by Newton's method."""
    design = np.column_stack([np.ones(len(features)), features])
    ridge = np.diag([0.0, *[RIDGE] * features.shape[1]])
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (labels - chance) - ridge @ weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + ridge
        weights += np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), slope)
    return weights


def matrix(found: Sequence[Observation]) -> Array:
    """One row per observation, in the order of `COEFFICIENTS`."""
    return np.array([[o[3].features()[name] for name in COEFFICIENTS] for o in found])


def measure(progress: Progress) -> dict[str, Any]:
    """Fit on the one half, report on the other."""
    items, clean = contamination_leaks.items(), contamination_leaks.clean()
    halves = {
        fits: items.filter(contamination_leaks.is_for_fitting(items["item_id"]) == fits)
        for fits in (True, False)
    }
    found: list[Observation] = []
    with threadpool_limits(1, "blas"):
        for part in (0, 1):
            progress.note(f"registering part {part + 1} of the fitting half")
            found += _observed(halves[True], contamination_leaks.paraphrases(fitting=True), clean, part)
        weights = fit(np.array([o[0] for o in found]), matrix(found))
        progress.note("reporting on the other half")
        other = _observed(halves[False], contamination_leaks.paraphrases(fitting=False), clean, 0)
    scores = weights[0] + matrix(other) @ weights[1:]
    best: dict[int, tuple[float, bool]] = {}
    for (_, text, is_leak, _), score in zip(other, scores, strict=True):
        if text not in best or score > best[text][0]:
            best[text] = (float(score), is_leak)
    return {
        "intercept": round(weights[0], 2),
        "coefficients": dict(zip(COEFFICIENTS, weights[1:].round(2).tolist(), strict=True)),
        "fitted_on": len(found),
        "report": [_report(best, threshold) for threshold in THRESHOLDS],
    }


def _observed(
    half: pl.DataFrame, leaks: Sequence[Case], clean: Sequence[Case], part: int
) -> list[Observation]:
    in_part = (uniform(half["item_id"], contamination_leaks.FIT_SEED + 1) < 0.5) == (part == 0)
    outside = half.filter(~in_part & (pl.col("role") == "question"))
    originals = [Case(text, source=item) for item, text in outside.select("item_id", "text").iter_rows()]
    return list(observations(half.filter(in_part), [*leaks, *originals, *clean]))


def _report(best: dict[int, tuple[float, bool]], threshold: float) -> dict[str, Any]:
    flagged = [is_leak for score, is_leak in best.values() if score >= np.log(threshold / (1 - threshold))]
    return {
        "threshold": threshold,
        "leaks_flagged": sum(flagged),
        "leaks_seen": sum(is_leak for _, is_leak in best.values()),
        "others_flagged": len(flagged) - sum(flagged),
    }


def main() -> None:
    """Parse arguments, fit, print."""
    arguments = command.parser(__doc__).parse_args()
    command.main(measure, as_json=arguments.json)


if __name__ == "__main__":
    main()
