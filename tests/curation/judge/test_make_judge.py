"""Settings to judge: kinds, keys, addresses, rubrics."""

from __future__ import annotations

import email.utils
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.errors import SettingsError
from contracts.settings import CurationSettings, JudgeSettings
from curation.judge.base import make_judge
from curation.judge.endpoint import OPENAI_BASE_URL, Endpoint, read_url
from curation.judge.openai_judge import OpenAIJudge
from curation.judge.rubrics import load_rubric, parse_rubric
from curation.judge.rules import RulesJudge
from curation.judge.transport import parse_retry_after
from curation.judge.verdicts import FailureKind
from tests.curation.judge.helpers import item
from tests.curation.judge.server import FakeServer

RUBRIC = '+++\nname = "mine"\nversion = "3"\n[taxonomy]\nother = "all"\n+++\nBe strict.\n'


def test_rules_are_the_default() -> None:
    assert isinstance(make_judge(JudgeSettings()), RulesJudge)
    judge = make_judge(JudgeSettings(), curation=CurationSettings(edit_ratio_max=0.5))
    assert judge.epoch.parameters["edit_ratio_max"] == 0.5


def test_the_openai_judge_takes_its_settings(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ambient")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-ambient")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    settings = JudgeSettings(kind="openai", base_url=server.base_url, model="tiny", max_calls=1)
    judge = make_judge(settings)
    assert isinstance(judge, OpenAIJudge)
    first, second = judge.judge([item(1), item(2)])
    assert (first.verdict is not None, second.verdict) == (True, None)
    assert server.requests[0]["model"] == "tiny"
    # what the environment holds for OpenAI is not sent to another server
    assert "ambient" not in str(server.headers[0])


def test_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = JudgeSettings(kind="openai")
    with pytest.raises(SettingsError) as caught:
        make_judge(settings)
    assert "TAILRACE_JUDGE__API_KEY" in (caught.value.hint or "")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ambient")
    endpoint = Endpoint.from_settings(settings)
    assert (endpoint.base_url, endpoint.provider) == (OPENAI_BASE_URL, "openai")
    assert endpoint.api_key.get_secret_value() == "sk-ambient"
    assert "ambient" not in repr(endpoint)
    own = Endpoint.from_settings(JudgeSettings(kind="openai", api_key=SecretStr("sk-own")))
    assert own.api_key.get_secret_value() == "sk-own"


def test_addresses_are_brought_to_one_form() -> None:
    assert read_url("http://LOCALHOST:8080/v1/") == ("http://localhost:8080/v1", "localhost:8080")
    assert read_url("https://api.openai.com/v1/") == (OPENAI_BASE_URL, "openai")
    assert read_url("http://[::1]:80/v1") == ("http://[::1]:80/v1", "[::1]:80")


@pytest.mark.parametrize(
    "bad",
    [
        "localhost:8080",
        "ftp://host/v1",
        "http://",
        "http://[::1",
        "http://u:secret@h/v1",
        "http://h/v1?k=secret",
    ],
)
def test_unusable_addresses_are_refused_without_being_repeated(bad: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_judge(JudgeSettings(kind="openai", base_url=bad))
    assert "secret" not in f"{caught.value!r}{caught.value.hint}"


def test_the_default_rubric_covers_the_whole_taxonomy() -> None:
    rubric = load_rubric()
    assert (rubric.name, set(rubric.taxonomy)) == ("default", set(FailureKind))


def test_a_rubric_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_text(RUBRIC)
    settings = JudgeSettings(kind="openai", base_url="http://127.0.0.1:9/v1")
    epoch = make_judge(settings, rubric=path).epoch
    assert epoch.rubric == "mine@3"
    default = make_judge(settings).epoch
    assert epoch.rubric_hash != default.rubric_hash
    assert epoch.schema_hash != default.schema_hash
    assert epoch.prompt_hash == default.prompt_hash


def test_line_ends_do_not_start_a_new_epoch() -> None:
    windows = parse_rubric(RUBRIC.replace("\n", "\r\n"), source="x")
    assert windows == parse_rubric(RUBRIC, source="x")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Be strict.", "front matter"),
        ("+++\nname = 'x'\n", "front matter"),
        ("", "front matter"),
        (RUBRIC.replace('"mine"', "mine"), "TOML"),
        (RUBRIC.replace('name = "mine"\n', ""), "name"),
        (RUBRIC.replace('"3"', "3"), "version"),
        (RUBRIC.replace('other = "all"', 'novel = "x"'), "novel"),
        (RUBRIC.replace('other = "all"', 'factual = "x"'), "other"),
        (RUBRIC.replace("[taxonomy]\n", ""), "taxonomy"),
        (RUBRIC.replace("Be strict.", ""), "no text"),
    ],
)
def test_broken_rubrics_are_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        parse_rubric(text, source="mine.md")


def test_an_unknown_rubric_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.md"):
        load_rubric("nowhere")


def test_retry_after_in_all_its_forms() -> None:
    assert parse_retry_after({}) is None
    assert parse_retry_after({"retry-after": "1.5"}) == 1.5
    assert parse_retry_after({"retry-after": "-3"}) == 0
    assert parse_retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert parse_retry_after({"retry-after": "soon"}) is None
    assert parse_retry_after({"retry-after": "inf"}) is None
    soon = parse_retry_after({"retry-after": email.utils.formatdate(time.time() + 30, usegmt=True)})
    assert soon is not None
    assert 27 < soon <= 30
