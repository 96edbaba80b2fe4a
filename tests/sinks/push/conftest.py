"""A home with published drops, and where they are pushed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.settings import Settings
from sinks.lake import Lake
from sinks.push.destination import parse
from sinks.push.run import Pushed, prepare, push
from sinks.push.target import Options, Target
from sinks.push.targets import target_for
from tests.lakes import new_lake
from tests.stores.drops import published_drop
from tests.stores.hub import TOKEN, Hub, hub
from tests.stores.s3 import Key, S3Store, s3_store


@dataclass
class Home:
    """A lake with its drops."""

    settings: Settings
    lake: Lake

    def publish(self, number: int = 1, **options: Any) -> str:
        return published_drop(self.lake, self.settings.drops_root, number, **options)

    def folder(self, drop_id: str) -> Path:
        return self.settings.drops_root / drop_id

    def push(self, drop_id: str, where: str, target: Target | None = None, **options: Any) -> Pushed:
        asked = {name: options.pop(name) for name in ("dry_run", "clock") if name in options}
        branch = options.pop("branch", None)
        how = Options(**options)
        place = parse(where, branch=branch)
        target = target or target_for(self.settings, place, how)
        parcel = prepare(self.lake, self.settings.drops_root, drop_id)
        return push(self.lake, parcel, place, target, point=how.point, **asked)


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copied for every test: making all tables takes longer than pushing."""
    return Path(new_lake(tmp_path_factory.mktemp("empty") / "lake").root)


@pytest.fixture
def home(tmp_path: Path, empty_lake: Path) -> Home:
    settings = Settings(home=tmp_path / "home")
    shutil.copytree(empty_lake, settings.lake_root)
    return Home(settings, Lake(settings.lake_root))


@pytest.fixture(scope="session")
def running_hub() -> Iterator[Hub]:
    with hub() as made:
        yield made


@pytest.fixture
def web(running_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    running_hub.reset()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return running_hub


@pytest.fixture(scope="session")
def running_s3() -> Iterator[S3Store]:
    with s3_store({"anna": Key("anna-secret", {"copies"}), "bert": Key("bert-secret", {"other"})}) as store:
        yield store


@pytest.fixture
def s3(running_s3: S3Store, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    running_s3.reset()
    for name, value in running_s3.options("anna").items():
        monkeypatch.setenv(name, value)
    return running_s3
