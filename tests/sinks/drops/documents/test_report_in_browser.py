"""The report of a drop in a real browser: it shows, and names that applications chose are text."""

from __future__ import annotations

from pathlib import Path

from tests.browser import assert_inert, assert_paints, find_browser, run
from tests.sinks.drops.documents.samples import HOSTILE


def test_it_paints_and_runs_nothing(folder: Path, tmp_path: Path) -> None:
    browser, page = find_browser(), folder / "report.html"
    dom = run(browser, page, tmp_path / "profile", "--dump-dom")
    assert HOSTILE.split("|")[0].replace("<", "&lt;").replace(">", "&gt;") in dom
    assert_inert(dom)
    assert_paints(browser, page, tmp_path, "400,1500")
