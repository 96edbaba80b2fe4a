"""A build that ends while its judge is at work: the next one pays for no answer again."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.settings import CurationSettings, JudgeSettings, Settings
from curation.judge.base import make_judge
from curation.nightly import make_drop
from tests.curation.dialogues import edited
from tests.curation.judge.server import FakeServer, hosted
from tests.lakes import ingest, new_lake

NOW_US = 1_900_000_000_000_000


def test_the_next_build_goes_on_where_one_was_interrupted(tmp_path: Path) -> None:
    lake = new_lake(tmp_path / "lake")
    ingest(lake, [event for n in range(8) for event in edited(f"item-{n}")])

    def interrupted(step: str, done: int, _total: int) -> None:
        if step == "judging" and done == 3:
            raise KeyboardInterrupt

    with hosted() as host:
        host.server = FakeServer(base_url=host.base_url)
        settings = Settings(
            home=tmp_path,
            curation=CurationSettings(control_share=0.0),
            judge=JudgeSettings(
                kind="openai",
                base_url=host.base_url,
                api_key=SecretStr("k"),
                model="fake",
                concurrency=1,
                alone="always",
            ),
        )

        def build(**options: object) -> object:
            judge = make_judge(settings.judge, curation=settings.curation)
            return make_drop(lake, settings.drops_root, settings, judge, now_us=NOW_US, **options)

        with pytest.raises(KeyboardInterrupt):
            build(progress=interrupted)
        assert host.server.calls.total() == 3
        assert lake.scan("judgments").collect().is_empty()
        build()
    calls = {name: count for name, count in host.server.calls.items() if count}
    assert calls == {f"item-{n}": 1 for n in range(8)}
    rows = lake.scan("judgments").collect()
    assert rows["content_hash"].n_unique() == rows.height == 8
    assert set(rows["origin"]) == {"nightly"}
