"""The report in a real browser: it shows, it runs nothing, it asks nobody for anything."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from console.report import FunnelStep, ReportData, SamplePair, render
from tests.console.report_samples import interactions

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
)
HOSTILE = "<script>document.title='taken over'</script><img src=x onerror=\"document.title='taken over'\">"


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    return found


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


class Parsed(HTMLParser):
    """Tags and attribute names of the document as the browser built it."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


def run(browser: str, page: Path, *options: str) -> str:
    profile = page.parent / "profile"
    done = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={profile}", *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def test_text_of_users_is_shown_and_never_run(browser: str, page: Path) -> None:
    dom = run(browser, page, "--dump-dom")
    parsed = Parsed(dom)
    assert "taken over" in dom
    assert "<title>taken over" not in dom
    assert not parsed.tags & {"script", "img", "iframe", "object", "embed"}
    assert not [name for name in parsed.attributes if name.startswith("on")]


@pytest.mark.parametrize("size", ["1280,2000", "390,2000"])
def test_it_paints_a_page(browser: str, page: Path, tmp_path: Path, size: str) -> None:
    picture = tmp_path / "report.png"
    run(browser, page, f"--window-size={size}", f"--screenshot={picture}")
    # A blank page compresses to almost nothing.
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 30_000
