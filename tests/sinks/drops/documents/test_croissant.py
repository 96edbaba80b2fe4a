"""croissant.json as `mlcroissant` and any reader of JSON-LD take it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import mlcroissant
import pyarrow as pa
import pytest
import rdflib

from sinks.drops.documents.croissant import version
from sinks.drops.documents.croissant_records import data_type
from sinks.drops.staging import Staged, stage
from tests.sinks.drops.documents.samples import content, frame, one_sided, row


def described(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "croissant.json").read_text())
    assert isinstance(found, dict)
    return found


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    return list(mlcroissant.Dataset(jsonld=str(folder / "croissant.json")).records(record_set=name))


def test_mlcroissant_finds_nothing_to_say(drop: Staged, empty: Staged) -> None:
    for folder in (drop.folder, empty.folder):
        issues = mlcroissant.Dataset(jsonld=str(folder / "croissant.json")).metadata.ctx.issues
        assert (issues.errors, issues.warnings) == (set(), set())


def test_its_records_are_the_rows(folder: Path) -> None:
    pairs = records(folder, "preference")
    assert [row["preference/split"] for row in pairs] == [b"train", b"train", b"validation"]
    (answer,) = pairs[0]["preference/chosen"]
    assert answer["preference/chosen/role"] == b"assistant"
    assert answer["preference/chosen/content"] == b"SAID-BY-A-USER good a"
    labels = [row["unpaired/label"] for row in records(folder, "unpaired")]
    assert sorted(labels) == [False, False, True]
    assert len(records(folder, "provenance")) == 6
    assert {row["splits/name"] for row in records(folder, "splits")} == {"train", "validation"}


def test_every_data_file_is_in_it_with_its_checksum(folder: Path) -> None:
    found = {
        node["@id"]: node for node in described(folder)["distribution"] if node["@type"] == "cr:FileObject"
    }
    there = {
        p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.suffix in (".parquet", ".jsonl")
    }
    assert set(found) == set(there)
    for name, path in there.items():
        assert found[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert found[name]["contentSize"] == f"{path.stat().st_size} B"
    assert found["openai/preference/train.jsonl"]["sameAs"] == "preference/train.parquet"


def test_provenance_and_terms_resolve_to_their_vocabularies(folder: Path) -> None:
    graph = rdflib.Graph().parse(folder / "croissant.json", format="json-ld")
    prov, odrl = (
        rdflib.Namespace("http://www.w3.org/ns/prov#"),
        rdflib.Namespace("http://www.w3.org/ns/odrl/2/"),
    )
    croissant = rdflib.Namespace("http://mlcommons.org/croissant/")
    (data,) = graph.subjects(rdflib.RDF.type, rdflib.SDO.Dataset)
    assert {str(o) for o in graph.objects(data, prov.wasDerivedFrom)} == {
        "urn:tailrace:table:requests:version:4",
        "urn:tailrace:table:signals:version:2",
    }
    (offer,) = graph.objects(data, rdflib.SDO.usageInfo)
    (permission,) = graph.objects(offer, odrl.permission)
    (constraint,) = graph.objects(permission, odrl.constraint)
    assert str(graph.value(constraint, odrl.rightOperand)) == "training"
    assert graph.value(data, croissant.isLiveDataset).toPython() is False
    assert len(list(graph.objects(data, croissant.recordSet))) == 6
    label = next(s for s in graph.subjects(rdflib.SDO.name) if str(s).endswith("unpaired/label"))
    (judge,) = graph.objects(label, prov.wasAttributedTo)
    assert str(graph.value(judge, rdflib.RDFS.label)).endswith("judge-1")
    rai = "http://mlcommons.org/croissant/RAI/"
    assert graph.value(data, rdflib.URIRef(f"{rai}personalSensitiveInformation")) is not None


def test_licences_are_pages_where_they_are_known(tmp_path: Path, folder: Path) -> None:
    assert described(folder)["license"] == ["https://spdx.org/licenses/CC-BY-4.0.html"]
    rows = frame(row("a", license="house-1"), one_sided("b", True, license=None))
    names = [each["name"] for each in described(stage(tmp_path, "d", rows, content()).folder)["license"]]
    assert sorted(names) == ["house-1", "not recorded in the rows"]


@pytest.mark.parametrize(
    ("drop_id", "found"),
    [("20260302-abc", "20260302.0.0+abc"), ("nothing", "0.0.0"), ("x-a_b", "0.0.0+ab")],
)
def test_versions_are_semantic(drop_id: str, found: str) -> None:
    assert version(drop_id) == found


def test_an_unknown_type_of_column_is_refused() -> None:
    with pytest.raises(ValueError, match="no Croissant type"):
        data_type(pa.date32())
