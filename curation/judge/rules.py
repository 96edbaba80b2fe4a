"""The `rules` judge: decides by evidence alone, deterministic, free, writes no text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from contracts.settings import CurationSettings
from curation.judge.epoch import JudgeEpoch
from curation.judge.verdicts import (
    Evidence,
    FailureKind,
    JudgeItem,
    Judgment,
    Scalar,
    Verdict,
    VerdictWord,
)

# Raised whenever the same evidence may get another verdict.
RULES_VERSION: Final = 2


@dataclass(frozen=True, kw_only=True)
class RuleThresholds:
    """Every number the rules judge decides by; all of them are part of its epoch."""

    fail_from: float = 0.5
    """failure score from which a response may be called failed"""
    pass_upto: float = 0.35
    """failure score up to which a response may be called good"""
    edit_ratio_min: float = 0.05
    """edits of unknown class below are cosmetic"""
    edit_ratio_max: float = 0.9
    """edits above are a new text, not a correction"""
    rephrase_similarity_min: float = 0.6
    """next prompts at least this similar ask the same again"""
    chain_min: int = 2
    """prompts in a row that ask the same again from which they are one strong complaint"""
    rating_low: float = 2.0
    """ratings up to this (of 1 to 5) are complaints"""
    rating_high: float = 4.0
    """ratings from this (of 1 to 5) are praise"""

    @classmethod
    def from_curation(cls, settings: CurationSettings) -> RuleThresholds:
        """The defaults with the edit range and the failure threshold of the curation settings.

        A failure threshold under 0.5 lowers what counts as passing too, so that the two never meet.
        """
        return cls(
            fail_from=settings.failure_threshold,
            pass_upto=min(cls.pass_upto, settings.failure_threshold * 0.7),
            edit_ratio_min=settings.edit_ratio_min,
            edit_ratio_max=settings.edit_ratio_max,
        )


@dataclass(frozen=True)
class _Sign:
    """One concrete piece of evidence: its name, whether it speaks for itself, how bad it is."""

    name: str
    strong: bool
    severity: int = 1


class RulesJudge:
    """Judges by evidence only.

    - **fail**: the score is high, at least one concrete complaint was seen, and nothing strong
      speaks for the response;
    - **pass**: the score is low, at least one concrete approval was seen, and no strong complaint;
    - **unsure**: everything else; in particular strong evidence on both sides, or a score that no
      concrete act of a user or outcome backs (silence, abandonment).
    """

    at_once: int | None = None

    def __init__(self, thresholds: RuleThresholds | None = None) -> None:
        self.thresholds = thresholds or RuleThresholds()
        self.epoch = JudgeEpoch(
            kind="rules", model=f"rules-v{RULES_VERSION}", parameters=asdict(self.thresholds)
        )

    def judge(
        self, items: Sequence[JudgeItem], *, on_judgment: Callable[[Judgment], None] | None = None
    ) -> list[Judgment]:
        """One judgment per item in the same order; never unjudged, never spends anything."""
        epoch = self.epoch.id
        judgments = []
        for item in items:
            judgments.append(
                Judgment(
                    request_id=item.request_id,
                    content_hash=item.content_hash,
                    epoch=epoch,
                    verdict=decide(item.evidence, self.thresholds),
                )
            )
            if on_judgment is not None:
                on_judgment(judgments[-1])
        return judgments


def decide(evidence: Evidence, thresholds: RuleThresholds) -> Verdict:
    """The verdict of the rules on one piece of evidence; pure."""
    score = evidence.failure_score
    complaints = _complaints(evidence, thresholds)
    approvals = _approvals(evidence, thresholds)
    strong_complaint = any(sign.strong for sign in complaints)
    strong_approval = any(sign.strong for sign in approvals)

    word: VerdictWord = "unsure"
    if score >= thresholds.fail_from and complaints and not strong_approval:
        word = "fail"
    elif score <= thresholds.pass_upto and approvals and not strong_complaint:
        word = "pass"
    confidence = {"fail": score, "pass": 1 - score, "unsure": 0.5}[word]
    return Verdict(
        verdict=word,
        failure_kind=_kind(evidence) if word == "fail" else None,
        severity=_severity(complaints) if word == "fail" else None,
        confidence=round(confidence, 6),
        rationale=_rationale(score, complaints, approvals),
    )


def _complaints(evidence: Evidence, t: RuleThresholds) -> list[_Sign]:
    f = evidence.features
    signs = []
    if _count(f.get("report_count")):
        signs.append(_Sign("report", strong=True, severity=4))
    if _count(f.get("escalate_count")):
        signs.append(_Sign("escalation", strong=True, severity=4))
    if (success := _number(f.get("outcome_success"))) is not None and success < 0.5:
        signs.append(_Sign("failed outcome", strong=True, severity=4))
    if (thumbs := _number(f.get("thumbs"))) is not None and thumbs < 0:
        signs.append(_Sign("thumbs down", strong=True, severity=3))
    if (rating := _number(f.get("rating"))) is not None and rating <= t.rating_low:
        signs.append(_Sign("low rating", strong=True, severity=3))
    if _count(f.get("undo_count")):
        signs.append(_Sign("undo", strong=True, severity=3))
    if (finish := f.get("finish_class")) in ("error", "empty"):
        signs.append(_Sign(f"{finish} finish", strong=True, severity=3))
    if _corrected(evidence, t):
        signs.append(_Sign("corrective edit", strong=True, severity=2))
    # A refusal may be right and a truncated answer enough: these need the score to agree.
    if finish in ("refusal", "truncated", "filtered"):
        signs.append(_Sign(f"{finish} finish", strong=False, severity=2))
    # Asking again shows in up to three features at once; it is one complaint.
    similar = _number(f.get("rephrase_similarity"))
    if _count(f.get("regenerate_count")):
        signs.append(_Sign("regenerate", strong=False, severity=2))
    elif (_number(f.get("rephrase_chain")) or 0) >= t.chain_min:
        signs.append(_Sign("rephrase chain", strong=True, severity=3))
    elif _count(f.get("retry_count")):
        signs.append(_Sign("retry", strong=False, severity=2))
    elif similar is not None and similar >= t.rephrase_similarity_min:
        signs.append(_Sign("rephrase", strong=False, severity=2))
    return signs


def _approvals(evidence: Evidence, t: RuleThresholds) -> list[_Sign]:
    f = evidence.features
    signs = []
    if (thumbs := _number(f.get("thumbs"))) is not None and thumbs > 0:
        signs.append(_Sign("thumbs up", strong=True))
    if (rating := _number(f.get("rating"))) is not None and rating >= t.rating_high:
        signs.append(_Sign("high rating", strong=True))
    # After a corrective edit, accepting, copying and succeeding speak for the user's text, not ours.
    if not _corrected(evidence, t):
        if (success := _number(f.get("outcome_success"))) is not None and success > 0.5:
            signs.append(_Sign("good outcome", strong=True))
        if _count(f.get("accept_count")):
            signs.append(_Sign("accept", strong=True))
        if _count(f.get("copy_count")):
            signs.append(_Sign("copy", strong=False))
    return signs


def _corrected(evidence: Evidence, t: RuleThresholds) -> bool:
    if (kind := evidence.features.get("edit_class")) is not None:
        return kind in ("corrective", "opposite")
    ratio = _number(evidence.features.get("edit_ratio"))
    return ratio is not None and t.edit_ratio_min <= ratio <= t.edit_ratio_max


def _kind(evidence: Evidence) -> FailureKind:
    by_finish = {
        "refusal": FailureKind.REFUSAL,
        "filtered": FailureKind.REFUSAL,
        "truncated": FailureKind.FORMAT,
    }
    by_hint = {"factual": FailureKind.FACTUAL, "preference": FailureKind.PREFERENCE_MISMATCH}
    finish = str(evidence.features.get("finish_class"))
    return by_finish.get(finish) or by_hint.get(evidence.failure_hint, FailureKind.OTHER)


def _severity(complaints: Sequence[_Sign]) -> int:
    several = len(complaints) >= 3
    return min(5, max(sign.severity for sign in complaints) + several)


def _rationale(score: float, complaints: Sequence[_Sign], approvals: Sequence[_Sign]) -> str:
    against = ", ".join(sign.name for sign in complaints) or "nothing"
    in_favour = ", ".join(sign.name for sign in approvals) or "nothing"
    return f"Failure score {score:.2f}. Against the response: {against}. For it: {in_favour}."


def _number(value: Scalar) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)


def _count(value: Scalar) -> bool:
    return (_number(value) or 0) > 0
