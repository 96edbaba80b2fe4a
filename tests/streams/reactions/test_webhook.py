"""Calls of the webhook over real HTTP: what is tried again, what is not, and that the URL stays secret."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from contracts.alerts import Alert, DeadLetterShare
from contracts.errors import SettingsError
from streams.reactions.alert_messages import single, summary
from streams.reactions.webhook import Result, Webhook
from tests.streams.reactions.conftest import free_port
from tests.streams.reactions.hook import SECRET, Hook, hooked


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as served:
        yield served


def post(url: str, *, timeout_s: float = 5.0, max_retries: int = 3, key: str = "k1") -> Result:
    webhook = Webhook(SecretStr(url), timeout_s=timeout_s, max_retries=max_retries)
    return asyncio.run(webhook.post(b'{"a": 1}', key))


@pytest.mark.parametrize("fault", ["500", "503", "429:0", "429:0.02", "408"])
def test_passing_faults_are_tried_again_with_the_same_key(hook: Hook, fault: str) -> None:
    hook.script = [fault, fault]
    assert post(hook.url) is Result.DELIVERED
    assert hook.calls == [("k1", {"a": 1})] * 3


@pytest.mark.parametrize("fault", ["400", "401", "404", "410", "redirect"])
def test_a_refusal_is_not_tried_again_and_logged_by_status_only(
    hook: Hook, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    hook.always = fault
    with caplog.at_level(logging.DEBUG):
        assert post(hook.url) is Result.REFUSED
    assert len(hook.calls) == 1
    status = "307" if fault == "redirect" else fault
    assert f"HTTP {status}" in caplog.text
    assert SECRET not in caplog.text
    assert "something secret" not in caplog.text


def test_patience_ends(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    hook.always = "hang"
    with caplog.at_level(logging.DEBUG):
        assert post(hook.url, timeout_s=0.1, max_retries=1) is Result.UNREACHABLE
        hook.always = "429:3600"
        assert post(hook.url) is Result.UNREACHABLE
        assert post(f"http://127.0.0.1:{free_port()}/{SECRET}", max_retries=0) is Result.UNREACHABLE
    assert len(hook.calls) == 3
    assert SECRET not in caplog.text


@pytest.mark.parametrize("url", ["", "nowhere", "ftp://host/x", "http://", "http://host:port/x"])
def test_a_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"alerts\.webhook") as refused:
        Webhook(SecretStr(url), timeout_s=1, max_retries=0)
    assert not url or url not in str(refused.value)


def alert(alert_id: str, feature: str | None = "billing", **fields: object) -> Alert:
    return Alert(
        alert_id=alert_id,
        kind="report",
        occurred_at=f"2026-03-01T12:00:0{len(alert_id)}Z",
        detected_at="2026-03-01T12:00:09Z",
        session_id="s1",
        feature=feature,
        **fields,
    )


def test_one_alert_is_sent_as_itself() -> None:
    call = single(alert("g1", request_id="r1"))
    body = json.loads(call.body)
    assert call.key == "g1"
    assert summary([alert("g1", request_id="r1")]) == call
    assert body["alert"]["alert_id"] == "g1"
    assert body["text"] == "report in billing: session s1, request r1"
    odd = single(alert("g\n1"))
    assert odd.key.isalnum()
    assert single(alert("g\n1")).key == odd.key


def test_a_sum_counts_and_names_its_alerts() -> None:
    share = DeadLetterShare(minutes=5, consumed=100, dead_letters=50, reasons={"schema of llm.requests": 50})
    many = [alert(f"g{i}") for i in range(60)] + [alert("x", None), alert("d", None, dead_letters=share)]
    call = summary(many)
    body = json.loads(call.body)
    assert (body["count"], len(body["alert_ids"])) == (62, 50)
    assert body["counts"][0] == {"kind": "report", "feature": "billing", "count": 60}
    assert (body["first_at"], body["last_at"]) == ("2026-03-01T12:00:01Z", "2026-03-01T12:00:03Z")
    assert body["dead_letters"][0]["dead_letters"] == 50
    assert body["text"].startswith("62 more alerts: 60 report in billing")
    assert summary(many[::-1]).key == call.key != summary(many[1:]).key
    alone = json.loads(single(alert("d", None, dead_letters=share)).body)["text"]
    assert alone == "50 of 100 events of the last 5 minutes are dead letters: 50 schema of llm.requests"
