"""Destinations as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import SettingsError
from contracts.settings import LakeSettings, Settings
from sinks.push.destination import Destination, parse
from sinks.push.targets import lake_options


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/mnt/drops", Destination("folder", "/mnt/drops")),
        ("file:///mnt/my%20drops", Destination("folder", "/mnt/my drops")),
        ("s3://bucket", Destination("object_store", "s3://bucket")),
        ("s3://bucket//a/b/", Destination("object_store", "s3://bucket/a/b")),
        ("gs://bucket/a", Destination("object_store", "gs://bucket/a")),
        ("abfss://container@account.dfs.core.windows.net/a",
         Destination("object_store", "abfss://container@account.dfs.core.windows.net/a")),
        ("hf://datasets/org/name.v2", Destination("hub", "org/name.v2")),
        ("hf://datasets/org/name@next", Destination("hub", "org/name", "next")),
    ],
)  # fmt: skip
def test_what_is_understood(text: str, found: Destination) -> None:
    assert parse(text) == found
    assert parse(found.name if found.branch is None else f"{found.name}@{found.branch}") == found


@pytest.mark.parametrize(
    "text",
    [
        "", "ftp://host/a", "s3:///a", "hf://org/name", "hf://datasets/name", "hf://models/org/name",
        "file://host/a", "s3://key:secret@bucket/a", "s3://key@bucket/a", "az://account/box?sig=secret",
        "abfss://box:secret@account/a", "https://bucket.s3.amazonaws.com/a",
    ],
)  # fmt: skip
def test_what_is_refused_says_why_and_repeats_no_secret(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    assert caught.value.hint
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_a_branch_is_for_repositories_and_given_once() -> None:
    assert parse("hf://datasets/org/name", branch="next").branch == "next"
    for text in ("/mnt/drops", "s3://bucket", "hf://datasets/org/name@other"):
        with pytest.raises(SettingsError):
            parse(text, branch="next")


def test_keys_of_the_lake_go_to_its_own_bucket_only(tmp_path: Path) -> None:
    keys = {"AWS_SECRET_ACCESS_KEY": "x"}
    settings = Settings(home=tmp_path, lake=LakeSettings(root="s3://mine/lake", storage_options=keys))
    assert lake_options(settings, "s3://mine/drops") == keys
    for other in ("s3://mine2/drops", "gs://mine/drops"):
        assert lake_options(settings, other) == {}
    local = Settings(home=tmp_path, lake=LakeSettings(storage_options=keys))
    assert lake_options(local, "s3://mine/drops") == {}
