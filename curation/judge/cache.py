"""The verdict cache, as pure functions: the caller keeps it in table `judgments`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curation.judge.verdicts import JudgeItem, Judgment, Verdict


def split_cached(
    items: Sequence[JudgeItem], known: Mapping[str, Verdict], *, epoch: str
) -> tuple[list[Judgment], list[JudgeItem]]:
    """Part items into judgments already known and items still to be judged, both in input order.

    ``known`` maps content hash → verdict and must hold verdicts of ``epoch`` (`JudgeEpoch.id`) only:
    epochs never mix. Cached judgments cost nothing in this run.
    """
    cached: list[Judgment] = []
    to_judge: list[JudgeItem] = []
    for item in items:
        verdict = known.get(item.content_hash)
        if verdict is None:
            to_judge.append(item)
        else:
            cached.append(
                Judgment(
                    request_id=item.request_id,
                    content_hash=item.content_hash,
                    epoch=epoch,
                    verdict=verdict,
                )
            )
    return cached, to_judge
