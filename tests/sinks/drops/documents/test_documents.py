"""The documents of a drop: part of it, the same every time, and without a word of a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from sinks.drops.documents import DOCUMENTS, write_documents
from sinks.drops.manifest import read_manifest, verify
from sinks.drops.reading import read_rows
from sinks.drops.staging import Staged, stage
from tests.drop_files import files_of
from tests.sinks.drops.documents.samples import HOSTILE, ROWS, SAID, content


def test_they_are_part_of_the_drop(drop: Staged) -> None:
    assert verify(drop.folder) == []
    entries = drop.manifest["files"]
    assert set(DOCUMENTS) <= set(entries)
    assert [name for name in DOCUMENTS if "rows" in entries[name]] == []
    (drop.folder / "README.md").write_bytes((text := (drop.folder / "README.md").read_bytes()) + b" ")
    assert verify(drop.folder) == ["README.md: its bytes changed"]
    (drop.folder / "README.md").write_bytes(text)


def test_no_text_of_a_user_is_in_them(folder: Path) -> None:
    assert SAID in (folder / "openai/sft/train.jsonl").read_text()
    assert [name for name in DOCUMENTS if SAID in (folder / name).read_text()] == []


def test_a_rebuild_from_what_is_published_gives_the_same_bytes(tmp_path: Path, drop: Staged) -> None:
    told = {k: v for k, v in read_manifest(drop.folder).items() if k not in ("files", "format_version")}
    again = stage(tmp_path, drop.manifest["drop_id"], read_rows(drop.folder), told)
    assert files_of(again.folder) == files_of(drop.folder)


def test_the_order_in_which_a_manifest_is_made_does_not_matter(tmp_path: Path, drop: Staged) -> None:
    turned = dict(reversed(content().items()))
    turned["funnel"] = [
        {**step, "refused": dict(reversed(step["refused"].items()))} for step in turned["funnel"]
    ]
    again = stage(tmp_path, drop.manifest["drop_id"], ROWS, turned)
    assert files_of(again.folder) == files_of(drop.folder)


def test_a_successor_says_what_it_stands_in_for(tmp_path: Path) -> None:
    told = content(supersedes="20260301-old", erasure={"removed": {"preference": 2, "unpaired": 1}})
    folder = stage(tmp_path, "20260302-new", ROWS, told).folder
    for name in DOCUMENTS:
        text = (folder / name).read_text()
        assert "It stands in for drop 20260301-old, of which 3 rows were erased" in text, name


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_drop_without_rows_has_them_too(empty: Staged, name: str) -> None:
    assert "nothing" in (empty.folder / name).read_text()
    assert verify(empty.folder) == []


def test_names_that_applications_chose_are_text(folder: Path) -> None:
    card, page = ((folder / name).read_text() for name in ("README.md", "report.html"))
    assert HOSTILE.split("|")[0] not in card + page
    assert r"\<script\>x\</script\> \| \`code\` \*\*x\*\* \[y\](z) \# h" in card
    assert "&lt;script&gt;x&lt;/script&gt;" in page


def test_rows_a_format_cannot_hold_and_lengths_are_named_where_known(tmp_path: Path, folder: Path) -> None:
    statistics = {"min": 1, "mean": 3.0, "p50": 3, "p90": 8, "p99": 1234, "max": 4321}
    lengths = {"sft/train.parquet": {"columns": {"messages": statistics}}}
    manifest = content(
        files={"sft/train.parquet": {"rows": 3, "bytes": 9, "sha256": "0" * 64}},
        tokens={"tokenizer": "words-1", "files": lengths},
        left_out={"openai/preference/train.jsonl": {"no_text_in_output": 2}},
    )
    (tmp_path / "sft").symlink_to(folder / "sft")
    write_documents(tmp_path, manifest, ROWS)
    for name in ("README.md", "report.html"):
        text = (tmp_path / name).read_text()
        assert all(shown in text for shown in ("words-1", "1,234", "4,321", "no text in output 2")), name
