"""What the reason codes of the nightly build mean, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, str]] = {
    # eligible
    "actor": "it was not made by an actor who may be learned from",
    "held_out": "its user or session is in the held-out split, which is never trained on",
    "consent_denied": "its user had not consented when it was made",
    "consent_revoked": "its user has since revoked consent",
    "consent_unknown": "it is not known whether its user consented",
    "license": "its licence is not on the allow-list",
    "license_unknown": "it names no licence",
    "region": "its region is not on the allow-list",
    "region_unknown": "it names no region",
    "metadata_only": "it came without text",
    # select
    "below_threshold": "its failure score is below the threshold, and the random slices did not draw it",
    "in_earlier_drop": "an earlier drop holds it already, and the random replay did not draw it",
    "user_cap": "its user has enough rows already",
    "fingerprint_cap": "its behaviour fingerprint has enough rows already",
    "segment_cap": "its segment has enough rows already",
    "feature_cap": "its feature has enough rows already",
    "replay_share": "there are enough rows of earlier drops already",
    # contamination
    "contaminated": "it holds an item of a registered eval set",
    # confirm
    "judge_unsure": "the judge could not decide",
    "judge_disagrees": "the judge does not agree with the evidence",
    "judge_same_family": "the judge is of the model family that wrote the response",
    "judge_uncalibrated": "the judge has not been calibrated, and the evidence does not say the same",
    "judge_below_threshold": "the judge was found unreliable, and the evidence does not say the same",
    "judge_drifted": "the judge changed behind its name, and the evidence does not say the same",
    "panel_split": "the judges of the panel do not agree",
    "gold_disagrees": "people labelled it, and they do not agree with the evidence",
    # final text
    "non_text_parts": "it holds parts other than text and tool calls, which would be lost",
    "broken_tool_calls": "its tool calls and the answers to them do not fit together",
    "prompt_end": "its prompt does not end with the user or a tool",
    "several_turns": "its answer has several turns",
    "roles_do_not_alternate": "user and assistant do not take turns in it, which chat templates refuse",
    "empty_turn": "a turn of its prompt is empty",
    "nul_character": "its text holds a NUL character",
    "empty_side": "a side is empty",
    "identical_sides": "both sides say the same",
    "edit_cosmetic": "the edit changed next to nothing",
    "edit_opposite": "the edit turns the statement round rather than correcting it",
    "edit_rewrite": "the edit is a new text rather than a correction",
    # compare
    "not_preferred": "the judge prefers the response to the rewrite",
    "order_inconsistent": "the judge prefers whichever is shown in one place",
    "tie": "the judge finds neither side better",
    "same_family": "nobody but the model family that wrote it prefers it",
    # one pair per failing request
    "better_evidence": "a pair from better evidence is kept for the same failing request",
    # one row per content
    "duplicate": "another row has the same content",
    "near_duplicate": "another row says nearly the same",
    # length
    "length_balance": "too many chosen sides are longer than the rejected ones",
    # self-approval
    "self_approval_cap": "too many chosen sides were written by the model family to be trained",
}

UNJUDGED: Final = "unjudged_"


def in_words(reason: str) -> str:
    """A reason code as the end of a sentence that begins with "because"."""
    if reason.startswith(UNJUDGED):
        return f"the judge gave no verdict ({reason.removeprefix(UNJUDGED).replace('_', ' ')})"
    return WORDS.get(reason, reason.replace("_", " "))
