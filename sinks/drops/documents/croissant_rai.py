"""Where a drop came from, what it may be used for and what is known of its making, in Croissant's terms.

PROV-O for provenance, ODRL for what people consented to, and the RAI vocabulary for the rest.
"""

from __future__ import annotations

from typing import Any

from sinks.drops.documents import phrases
from sinks.drops.documents.drop import Drop
from sinks.drops.documents.facts import part_of
from sinks.pages.text import count, label, words

Node = dict[str, Any]


def provenance(drop: Drop) -> Node:
    """What the drop was made from, by what, and which one it stands in for (PROV-O)."""
    inputs = part_of(drop.manifest, "inputs")
    tables = [
        _entity(f"urn:tailrace:table:{name}:version:{version}", f"Table {name}, Delta version {version}")
        for name, version in sorted(inputs.items())
    ]
    activity: Node = {
        "@type": "prov:Activity",
        "rdfs:label": "tailrace drop",
        "prov:wasAssociatedWith": agent(f"Tailrace {drop.manifest.get('code_version') or ''}".strip()),
    }
    if config := drop.manifest.get("config_hash"):
        activity["prov:used"] = _entity(f"urn:sha256:{config}", "Settings of the build")
    found: Node = {"prov:wasGeneratedBy": activity}
    if tables:
        found["prov:wasDerivedFrom"] = tables
    if old := drop.manifest.get("supersedes"):
        found["prov:wasRevisionOf"] = _entity(f"urn:tailrace:drop:{old}", f"Drop {label(old, 80)}")
    return found


def _entity(identifier: str, name: str) -> Node:
    return {"@type": "prov:Entity", "@id": identifier, "rdfs:label": name}


def agent(name: str) -> Node:
    """A program that did something."""
    return {"@type": "prov:SoftwareAgent", "rdfs:label": name}


def usage(drop: Drop) -> Node:
    """What people consented to, as an offer: use for the purpose the rows were selected by (ODRL)."""
    purpose = part_of(drop.manifest, "config").get("purpose")
    offer: Node = {
        "@type": ["CreativeWork", "odrl:Offer"],
        "name": "What the people the rows come from consented to",
        "description": " ".join(phrases.consent(drop)) or "Not recorded.",
    }
    if purpose:
        offer["odrl:permission"] = {
            "@type": "odrl:Permission",
            "odrl:action": {"@id": "odrl:use"},
            "odrl:constraint": {
                "@type": "odrl:Constraint",
                "odrl:leftOperand": {"@id": "odrl:purpose"},
                "odrl:operator": {"@id": "odrl:eq"},
                "odrl:rightOperand": label(purpose),
            },
        }
    return offer


def rai(drop: Drop) -> Node:
    """Collection, annotation, personal data, biases and limits (RAI vocabulary)."""
    summary = drop.summary
    people = summary.counts["verdict_source"].get("human", 0)
    window = [moment for moment in (summary.first, summary.last) if moment]
    return {
        "rai:dataCollection": (
            "Requests logged by an LLM product, joined with what users did in the session and with outcomes "
            "reported later; scored for failure, selected, judged, and made into training rows."
        ),
        "rai:dataCollectionType": ["Software Collection", "User-generated content data"],
        "rai:dataCollectionRawData": (
            "The product's own event log; its tables at their versions are under prov:wasDerivedFrom."
        ),
        "rai:dataCollectionMissingData": (
            "Most requests leave no explicit feedback. No outcome seen is unobserved, never a success."
        ),
        **({"rai:dataCollectionTimeframe": window} if window else {}),
        "rai:dataPreprocessingProtocol": [*_transforms(drop), *_steps(drop)],
        "rai:dataManipulationProtocol": " ".join(phrases.redaction(drop)),
        "rai:dataAnnotationProtocol": " ".join(
            [
                "Each row carries the verdict of a judge on its request; pairs of people rest on theirs too.",
                *phrases.judge(drop),
            ]
        ),
        "rai:annotationsPerItem": (
            f"One verdict per judged request. Rows whose verdict is a person's: {count(people)} of "
            f"{count(summary.examples)}."
        ),
        "rai:machineAnnotationTools": judges(drop),
        "rai:personalSensitiveInformation": phrases.redaction(drop),
        "rai:dataBiases": [
            *filter(None, [phrases.length_bias(drop)]),
            "Selected for failure: hard cases are over-represented by design.",
            *([phrases.synthetic(drop)] if summary.synthetic_share else []),
        ],
        "rai:dataLimitations": [*phrases.limits(drop), *phrases.contamination(drop)],
        "rai:dataUseCases": [
            "Training and validation of language models: preference tuning and fine-tuning."
        ],
        "rai:dataReleaseMaintenancePlan": (
            "Immutable. When a person in it is erased, a successor without their rows takes its place."
        ),
    }


def _transforms(drop: Drop) -> list[str]:
    names = drop.manifest.get("transforms") or ()
    return [f"Texts went through, in order: {', '.join(label(name) for name in names)}."] if names else []


def _steps(drop: Drop) -> list[str]:
    return [
        f"{words(step['step'])}: {count(step['in'])} in, {count(step['out'])} out"
        + "".join(f", {words(reason)} {count(n)}" for reason, n in sorted(step["refused"].items()))
        for step in drop.manifest.get("funnel") or ()
    ]


def judges(drop: Drop) -> list[str]:
    """Names of the judges, the first with its model."""
    judge = part_of(drop.manifest, "judge")
    named = [label(judge[key]) for key in ("judge", "model") if judge.get(key)]
    epochs = part_of(judge, "epochs")
    others = sorted({label(each["judge"]) for each in epochs.values() if each.get("judge")} - set(named))
    return [" ".join(named), *others] if named else ["not recorded"]
