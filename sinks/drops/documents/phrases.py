"""What the documents say of a drop, in sentences: consent, judges, checks, known limits.

Each says only what the manifest and the rows say; where they are silent, so is the sentence, or it says that
it is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sinks.drops.documents.drop import Drop
from sinks.drops.documents.facts import part_of
from sinks.drops.documents.lengths import lengths
from sinks.pages.text import count, label, percent, plural, words

RULES: Final = "rules"
KINDS: Final = {
    RULES: "evidence rules, which read no text",
    "openai": "a language model",
    "panel": "a panel of language models",
    "bench": "several judges, by feature",
}


def title(drop: Drop) -> str:
    """The drop's name for people."""
    return f"Tailrace drop {label(drop.drop_id, 80)}"


def opening(drop: Drop) -> str:
    """What the data set is, in one paragraph."""
    counts = part_of(drop.manifest, "counts")
    pairs, unpaired = (int(counts.get(kind) or 0) for kind in ("preference", "unpaired"))
    return (
        f"{plural(pairs, 'preference pair')} and {plural(unpaired, 'unpaired row')} made from what users of "
        "an LLM product did with its responses: the requests it logged, the signals in the session, and the "
        f"outcomes downstream, as known at {as_of(drop)}."
    )


def as_of(drop: Drop) -> str:
    """The time up to which inputs were seen, to the second."""
    moment = str(drop.manifest.get("as_of") or "")
    return label(f"{moment[:19].replace('T', ' ')} UTC") if moment else "an unknown time"


def consent(drop: Drop) -> list[str]:
    """What rows were required to have: consent, actor, licence, region, split."""
    config = part_of(drop.manifest, "config")
    if not config:
        return []
    allowed = config.get("unknown_consent") == "allow"
    said = [
        f"Consent: the person had granted the scope “{label(config.get('purpose') or '')}” when the request "
        "was made and it was still in force when the drop was built.",
        f"Requests whose consent was never recorded were {'allowed' if allowed else 'refused'}.",
        f"Actors: {_names(config.get('actors'))}.",
        "Requests of the held-out split were refused; it holds whole users (else sessions).",
    ]
    for key, name in (("licenses", "licences"), ("regions", "regions")):
        if config.get(key):
            unknown = config.get(f"unknown_{key[:-1]}")
            said.append(
                f"Only the {name} {_names(config[key])}; rows that name none were "
                f"{'allowed' if unknown == 'allow' else 'refused'}."
            )
    versions = [version for version in drop.summary.counts["consent_policy_version"] if version]
    if versions:
        said.append(f"Policy versions the consents were given under: {_names(versions)}.")
    return said


def judge(drop: Drop) -> list[str]:
    """Who gave the verdicts, in which epoch, and how far they were trusted."""
    found = part_of(drop.manifest, "judge")
    if not found:
        return []
    name, model = label(found.get("judge") or found.get("kind") or ""), label(found.get("model") or "")
    kind = KINDS.get(str(found.get("kind")), "of a kind that is not recorded")
    said = [f"Judge {name} (model {model}, epoch {label(found.get('epoch') or '')}): {kind}."]
    said += [_trust(trust) for trust in part_of(drop.manifest, "authority").get("trust") or ()]
    if gold := part_of(drop.manifest, "authority", "gold"):
        said.append(f"Gold labels of people it could be measured by: {count(gold.get('labels') or 0)}.")
    return said


def _trust(trust: Mapping[str, Any]) -> str:
    epoch = f"Epoch {label(trust.get('epoch') or '')} ({label(trust.get('judge') or '')})"
    measured = "" if not trust.get("calibration") else f", calibration {label(trust['calibration'])}"
    if trust.get("alone"):
        uncalibrated = trust.get("judge") != RULES and not measured
        return f"{epoch} may decide alone{measured}{', not calibrated' if uncalibrated else ''}."
    why = words(str(trust.get("reason") or "not calibrated"))
    return f"{epoch} may not decide alone ({why}{measured}): the evidence had to say the same."


def contamination(drop: Drop) -> list[str]:
    """What of registered evaluation sets was found, set by set; that nothing was checked, if so."""
    sets = part_of(drop.manifest, "contamination")
    if not sets:
        return ["No evaluation set was registered, so no row was checked against one."]
    return [
        f"{label(name)} (version {each.get('version')}, {count(each.get('items_total') or 0)} items): "
        f"in {count(each.get('rows_hit') or 0)} of {count(each.get('rows_checked') or 0)} rows checked, "
        "which were refused unless a person released them."
        for name, each in sorted(sets.items())
    ]


def redaction(drop: Drop) -> list[str]:
    """What of personal data was replaced."""
    block = part_of(drop.manifest, "redaction")
    if not block.get("version"):
        return ["No personal data was redacted when this drop was built."]
    spans = part_of(block, "spans")
    kinds = ", ".join(f"{label(kind)} {count(n)}" for kind, n in sorted(spans.items())) or "none found"
    return [
        f"Personal data was replaced by placeholders ({label(block['version'])}). Spans in "
        f"all texts read: {kinds}. Detectors work on patterns and word lists; what they do not know stays.",
        "User ids are keyed pseudonyms and are not part of the drop.",
    ]


def length_bias(drop: Drop) -> str:
    """How often the chosen side is the longer one; empty when no pair tells."""
    found = lengths(drop.manifest)
    if found is None:
        return ""
    limit = f" The share was limited to {found.limit}." if found.limit else ""
    return (
        f"The chosen side is the longer one in {found.share} of the pairs that differ in length, and at the "
        f"median {found.ratio}.{limit}"
    )


def splits(drop: Drop) -> str:
    """How rows were split."""
    block = part_of(drop.manifest, "splits")
    if not block:
        return ""
    share = percent(float(block.get("validation_share") or 0.0))
    both = int(block.get("prompts_on_both_sides") or 0)
    return (
        f"All {label(block.get('together') or 'rows of a user')} are on one side; {share} of users are meant "
        f"for validation. Prompts that are on both sides all the same: {count(both)}."
    )


def synthetic(drop: Drop) -> str:
    """Which share of the rows holds text that a model wrote for this purpose."""
    share = drop.summary.synthetic_share
    return f"{percent(share) if share else 'None'} of the rows hold text that a judge wrote (synthetic)."


def limits(drop: Drop) -> list[str]:
    """What to keep in mind, known from how the drop was made."""
    said = [
        "Rows are mostly failures of the product, selected on purpose: they are no sample of its traffic. "
        "Weights in provenance.parquet (inclusion_probability, design_weight) undo that.",
        "Selection rests on what users did; a request without evidence is unobserved, which is not success.",
    ]
    read = drop.summary.counts["verdict_source"].get("human")
    if part_of(drop.manifest, "judge").get("kind") == RULES and not read:
        said.append(
            "The judge is a set of rules over the evidence; no model and no annotator read the texts."
        )
    if bias := length_bias(drop):
        said.append(bias)
    if own := drop.summary.self_approved:
        said.append(f"In {plural(own, 'row')} the family to be trained wrote the chosen side.")
    return said


def succession(drop: Drop) -> str:
    """That it stands in for another drop, and why; empty for a drop of a build."""
    if not (old := drop.manifest.get("supersedes")):
        return ""
    removed = sum(int(n) for n in part_of(drop.manifest, "erasure", "removed").values())
    return (
        f"It stands in for drop {label(old, 80)}, of which {plural(removed, 'row')} were erased; what is "
        "said of funnel, selection and cost is of that drop."
    )


def _names(values: object) -> str:
    return ", ".join(label(value) for value in values) if isinstance(values, list) and values else "any"
