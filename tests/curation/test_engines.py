from __future__ import annotations

from pathlib import Path

import pytest

from contracts.settings import CurationSettings, Settings
from curation import buckets
from curation.engine import Engine, LocalEngine, RayEngine
from curation.judge.base import make_judge
from curation.nightly import make_drop
from tests.curation.dialogues import RIGHT, edited, regenerated
from tests.drop_files import files_of
from tests.lakes import ingest, new_lake


def files(home: Path, engine: Engine) -> dict[str, bytes]:
    """The files of a drop of the same events, made by an engine."""
    lake = new_lake(home / "lake")
    events = [pair for n in range(30) for pair in edited(f"e{n}", text=f"{RIGHT} {n}") + regenerated(f"r{n}")]
    ingest(lake, events)
    settings = Settings(home=home, curation=CurationSettings(control_share=0.5))
    judge = make_judge(settings.judge, curation=settings.curation)
    result = make_drop(
        lake, settings.drops_root, settings, judge, now_us=1_900_000_000_000_000, engine=engine
    )
    assert result.preference_rows > 20
    assert not list(settings.drops_root.glob(f"{buckets.SCRATCH}*"))
    return files_of(result.folder)


def test_the_number_of_buckets_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = files(tmp_path / "one", LocalEngine())
    monkeypatch.setattr("curation.gating.bucket_count", lambda rows: 7)
    assert files(tmp_path / "seven", LocalEngine()) == one


def test_ray_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    monkeypatch.setattr("curation.gating.bucket_count", lambda rows: 4)
    here = files(tmp_path / "here", LocalEngine())
    try:
        assert files(tmp_path / "there", RayEngine()) == here
    finally:
        ray.shutdown()
