"""report.html: one page that runs nothing, asks nobody, and says what the drop is."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sinks.drops.checks import Check
from sinks.drops.documents import write_documents
from sinks.drops.manifest import read_manifest
from sinks.drops.staging import Staged
from sinks.pages.bars import Bar, Histogram
from tests.sinks.drops.documents.samples import ROWS


class Page(HTMLParser):
    """Text, tags and attributes of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text, self.tags, self.attributes = "", set[str](), set[str]()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(params=["drop", "empty"])
def page(request: pytest.FixtureRequest) -> Page:
    staged: Staged = request.getfixturevalue(request.param)
    return Page(staged.folder / "report.html")


def test_it_loads_and_runs_nothing(page: Page) -> None:
    assert not page.tags & {"script", "img", "iframe", "object", "embed", "link", "a", "form"}
    assert not [name for name in page.attributes if name.startswith("on") or name in ("href", "src", "style")]
    assert "https://" not in page.text


def test_it_says_what_the_drop_is(folder: Path) -> None:
    text = " ".join(Page(folder / "report.html").text.split())
    for said in (
        "3 preference pairs and 3 unpaired rows",
        "desirable_weight=2.0",
        "−4 no consent",
        "judge rewrite1 · 16.7%",
        "sql_help5 · 83.3%",
        "in 3 of 400 rows checked",
        "inputs as of 2026-03-02 23:59:59 UTC",
    ):
        assert said in text, said


def test_passed_checks_are_shown(folder: Path, tmp_path: Path) -> None:
    rules = ("roles_alternate", "valid_text")
    checks = [Check(f"sft.{rule}", success=True, expected="0 rows", actual="0 of 3 rows") for rule in rules]
    write_documents(tmp_path, {**read_manifest(folder), "files": {}}, ROWS, checks)
    text = Page(tmp_path / "report.html").text.replace("\n", "")
    assert "sft0 of 3 rowsroles alternate, valid text" in text


def test_thin_parts_of_bars_can_still_be_seen() -> None:
    bar = Bar("a", "", [(1.0, "x"), (0.0, "y"), (99_999.0, "z")], 100_000.0)
    assert bar.drawn == [("0.00", "0.25", "x"), ("0.00", "99.90", "z")]
    assert Bar("a", "", [(0.0, "x")], 0.0).drawn == []


def test_the_highest_column_fills_the_box_and_empty_ones_are_not_drawn() -> None:
    assert Histogram([0, 4, 1000, 0], "0", "1", "").drawn == [
        ("25.00", "99.00", "24.40", "1.00"),
        ("50.00", "0.00", "24.40", "100.00"),
    ]
    assert re.fullmatch("#[0-9a-f]{6}", Histogram([], "0", "1", "").colour)
