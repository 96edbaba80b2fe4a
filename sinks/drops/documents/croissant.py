"""Croissant: what a drop holds and how it came about, for machines (JSON-LD).

Source: Croissant format specification 1.1 and Croissant RAI vocabulary 1.0 (MLCommons); W3C PROV-O and ODRL
as the former recommends them.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from sinks.drops.documents import phrases
from sinks.drops.documents.croissant_files import distribution
from sinks.drops.documents.croissant_rai import provenance, rai, usage
from sinks.drops.documents.croissant_records import record_sets
from sinks.drops.documents.drop import Drop
from sinks.drops.documents.licences import slug, spdx_url
from sinks.pages.text import label

SPECIFICATION: Final = "http://mlcommons.org/croissant/1.1"
RAI: Final = "http://mlcommons.org/croissant/RAI/1.0"

METADATA_VERSION: Final = "1.0.0"
"""Version of what this module writes, not of the data."""

CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "annotation": "cr:annotation",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "excludes": "cr:excludes",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "readLines": "cr:readLines",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "sdVersion": "cr:sdVersion",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "unArchive": "cr:unArchive",
    "value": "cr:value",
}
"""The specification's context (its appendix 1), with the `https` of schema.org that its own examples and
`mlcroissant` use, what `mlcroissant` adds, and the vocabularies used besides."""


def croissant(drop: Drop) -> str:
    """The Croissant description of a drop, as JSON text."""
    return json.dumps(description(drop), indent=2, ensure_ascii=False) + "\n"


def description(drop: Drop) -> dict[str, Any]:
    """The Croissant description of a drop.

    `datePublished` and `dateCreated` are the as-of time: the drop is a function of its inputs, and when it
    was published is not among them (the registry knows).
    """
    urn, as_of = f"urn:tailrace:drop:{drop.drop_id}", str(drop.manifest.get("as_of") or "")
    dates = {"dateCreated": as_of, "datePublished": as_of} if as_of else {}
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [SPECIFICATION, RAI],
        "name": slug(f"tailrace-{drop.channel or 'drop'}-{drop.drop_id}"),
        "description": " ".join(filter(None, [phrases.opening(drop), phrases.succession(drop)])),
        "url": urn,
        "identifier": drop.drop_id,
        "version": version(drop.drop_id),
        "sdVersion": METADATA_VERSION,
        "isLiveDataset": False,
        **dates,
        "license": _licences(drop),
        # Whose product it was, the manifest does not say; what made the data set it does.
        "creator": {
            "@type": "sc:Organization",
            "name": f"Operator of the Tailrace channel {label(drop.channel or 'of this drop')}",
        },
        "citeAs": citation(drop),
        "keywords": keywords(drop),
        "usageInfo": usage(drop),
        **provenance(drop),
        **rai(drop),
        "distribution": distribution(drop),
        "recordSet": record_sets(drop),
    }


def version(drop_id: str) -> str:
    """A drop's id as a semantic version: its day as the major number, its hash as build metadata.

    Rows of an earlier drop may be gone from a later one, which makes each a major version.
    """
    day, _, content = drop_id.partition("-")
    major = str(int(day)) if day.isdecimal() else "0"
    build = "".join(c for c in content if c.isascii() and (c.isalnum() or c == "-"))
    return f"{major}.0.0+{build}" if build else f"{major}.0.0"


def citation(drop: Drop) -> str:
    """A BibTeX entry, of what is known."""
    year = str(drop.manifest.get("as_of") or "")[:4]
    dated = f", year = {{{year}}}" if year.isdecimal() else ""
    channel = re.sub(r"[{}`\\\\]", "", label(drop.channel or "unknown"))
    note = f"Channel {channel}, inputs as of {phrases.as_of(drop)}"
    return (
        f"@misc{{tailrace-{slug(drop.drop_id)}, title = {{{phrases.title(drop)}}}{dated}, note = {{{note}}}}}"
    )


def keywords(drop: Drop) -> list[str]:
    """Tags for a search, by what the drop holds."""
    tags = {
        "preference": ("preference", "dpo", "rlhf"),
        "unpaired": ("kto",),
        "sft": ("sft",),
        "prompts": ("prompt-only",),
    }
    found = [tag for table in drop.tables for tag in tags.get(table.name, ())]
    synthetic = ["synthetic"] if drop.summary.synthetic_share else []
    return ["tailrace", "human-feedback", "implicit-feedback", "trl", *found, *synthetic]


def _licences(drop: Drop) -> list[Any]:
    """Licences that rows name, as SPDX pages where there are; a work that says so where rows name none."""
    if not drop.summary.licences:
        return [{"@type": "sc:CreativeWork", "name": "none: the drop has no rows"}]
    return [
        spdx_url(name) or {"@type": "sc:CreativeWork", "name": label(name) or "not recorded in the rows"}
        for name in drop.summary.licences
    ]
