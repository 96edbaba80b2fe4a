"""`tailrace drops diff` over two real drops: text, JSON, page."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.settings import CurationSettings, Settings
from curation.judge.base import make_judge
from curation.nightly import make_drop
from tests.console.commands import answer, one_clear_line, tailrace
from tests.curation.dialogues import edited, regenerated
from tests.lakes import ingest, new_lake

NOW_US = 1_900_000_000_000_000


@pytest.fixture(scope="module")
def two_drops(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    home = tmp_path_factory.mktemp("home")
    lake = new_lake(home / "lake")
    ids = []
    for seed, events in enumerate([edited("a") + regenerated("b"), edited("c")]):
        ingest(lake, events, first_offset=100 * seed)
        settings = Settings(
            home=home, curation=CurationSettings(control_share=0.0, replay_share=0.0, seed=seed)
        )
        judge = make_judge(settings.judge, curation=settings.curation)
        ids.append(make_drop(lake, settings.drops_root, settings, judge, now_us=NOW_US + seed).drop_id)
    return home, ids


def test_text_json_and_page_say_what_changed(two_drops: tuple[Path, list[str]], tmp_path: Path) -> None:
    home, (first, second) = two_drops
    page = tmp_path / "diff.html"
    found = answer(
        tailrace("drops", "diff", first, second, "--json", "--html", page, "--home", home, cwd=tmp_path)
    )
    assert (found["before"], found["after"]) == (first, second)
    # both are as of the same newest event, so neither is an earlier drop to the other
    assert (found["rows_before"], found["kept"], found["removed"]) == (2, 2, [])
    assert found["rows_after"] - 2 == len(found["added"]) == 1
    assert {"name": "config.seed", "before": 0, "after": 1} in found["settings"]
    text = page.read_text()
    assert first in text
    assert "config.seed" in text
    assert "<script" not in text
    shown = tailrace("drops", "diff", first, "--home", home, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert f"{first} → {second}" in shown.stdout
    assert "config.seed" in shown.stdout


def test_a_drop_that_is_not_there_is_named(two_drops: tuple[Path, list[str]], tmp_path: Path) -> None:
    home, (first, _) = two_drops
    line = one_clear_line(tailrace("drops", "diff", first, "20200101-nothing", "--home", home, cwd=tmp_path))
    assert "20200101-nothing" in line
