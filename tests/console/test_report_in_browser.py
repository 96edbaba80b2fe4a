"""The report in a real browser: it shows, it runs nothing, it asks nobody for anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.report import FunnelStep, ReportData, SamplePair, render
from tests.browser import assert_inert, assert_paints, find_browser, run
from tests.console.report_samples import interactions

HOSTILE = "<script>document.title='taken over'</script><img src=x onerror=\"document.title='taken over'\">"


@pytest.fixture(scope="module")
def browser() -> str:
    return find_browser()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pair = SamplePair(
        prompt=[{"role": "user", "content": HOSTILE}],
        chosen=f"better {HOSTILE}",
        rejected=f"worse {HOSTILE}",
        pair_source="user_edit",
        feature=HOSTILE,
        failure_score=0.9,
        contributions=[("edit", 2.4)],
        request_ids=["req-1"],
    )
    data = ReportData(
        title="Tailrace",
        generated_for="2026-03-09",
        interactions=interactions(2_000, features=("support_reply", HOSTILE)),
        funnel=[FunnelStep("eligible", 2_000, 900, {HOSTILE: 1_100})],
        pairs=[pair],
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(data), encoding="utf-8")
    return path


def test_text_of_users_is_shown_and_never_run(browser: str, page: Path) -> None:
    dom = run(browser, page, page.parent / "profile", "--dump-dom")
    assert "taken over" in dom
    assert "<title>taken over" not in dom
    assert_inert(dom)


@pytest.mark.parametrize("size", ["1280,2000", "390,2000"])
def test_it_paints_a_page(browser: str, page: Path, tmp_path: Path, size: str) -> None:
    assert_paints(browser, page, tmp_path, size)
