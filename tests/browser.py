"""A real browser for pages that must run nothing."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
)
ACTIVE = {"script", "img", "iframe", "object", "embed"}


def find_browser() -> str:
    """The browser's path; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    return found


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


def run(browser: str, page: Path, profile: Path, *options: str) -> str:
    """Open a page with some options; returns what the browser prints."""
    done = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={profile}", *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def assert_inert(dom: str) -> None:
    """Nothing in a document could run or load something."""
    parsed = Parsed(dom)
    assert not parsed.tags & ACTIVE
    assert not [name for name in parsed.attributes if name.startswith("on")]


def assert_paints(browser: str, page: Path, folder: Path, size: str) -> None:
    """A page is not blank at a window size of `width,height` pixels."""
    picture = folder / "page.png"
    run(browser, page, folder / "profile", f"--window-size={size}", f"--screenshot={picture}")
    # A blank page compresses to almost nothing.
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 30_000
