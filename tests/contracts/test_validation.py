"""Limits of ids and times, and what cannot be decoded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import reasons
from contracts.errors import EventInvalid
from contracts.events import OutcomeRecorded, RequestLogged, SignalObserved
from contracts.validation import DAY, EARLIEST_US, check, decode_json, parse_time
from tests.factories import SECOND, START_US, outcome_event, request_event, signal_event, us, without

NOW = START_US


def decode(event: dict[str, object], kind: type = RequestLogged) -> object:
    return decode_json(msgspec.json.Decoder(kind), msgspec.json.encode(event), max_bytes=1 << 20)


def refusal(event: dict[str, object], kind: type = RequestLogged) -> EventInvalid:
    with pytest.raises(EventInvalid) as caught:
        check(decode(event, kind), now_us=NOW)  # type: ignore[arg-type]
    return caught.value


@given(
    st.datetimes(datetime(2020, 1, 2), datetime(2026, 3, 1)),
    st.integers(-14 * 60, 14 * 60),
)
def test_rfc_3339_with_any_offset_is_kept_to_the_microsecond(local: datetime, minutes: int) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    exact = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert parse_time(moment.isoformat(), now_us=NOW + DAY) == exact


@given(st.integers(EARLIEST_US // 1000, NOW // 1000))
def test_epoch_milliseconds(ms: int) -> None:
    assert parse_time(ms, now_us=NOW) == ms * 1000


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-03T04:05:06Z", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03T04:05:06.789+05:30", datetime(2026, 2, 2, 22, 35, 6, 789_000, tzinfo=UTC)),
        ("2026-02-03T04:05:06.123456789Z", datetime(2026, 2, 3, 4, 5, 6, 123_456, tzinfo=UTC)),
    ],
)
def test_known_moments(text: str, moment: datetime) -> None:
    assert parse_time(text, now_us=NOW) == us(moment)


@pytest.mark.parametrize("text", ["2026-02-03T04:05:06", "2026-02-03", "", "yesterday", "1767225600000"])
def test_times_without_offset_or_sense_are_refused(text: str) -> None:
    error = refusal(request_event(occurred_at=text))
    assert (error.reason, error.field) == (reasons.TIME_FORMAT, "$.occurred_at")


@pytest.mark.parametrize("value", [0, -1, 10**15, -(10**15), 10**40, "2019-12-31T23:59:59.999Z"])
def test_absurd_times_are_refused(value: int | str) -> None:
    assert refusal(request_event(occurred_at=value)).reason == reasons.TIME_RANGE


def test_the_borders_of_time_belong_to_it() -> None:
    latest = NOW + 24 * 3600 * SECOND
    assert parse_time("2020-01-01T00:00:00Z", now_us=NOW) == EARLIEST_US
    assert parse_time(latest // 1000, now_us=NOW) == latest
    with pytest.raises(EventInvalid):
        parse_time(latest // 1000 + 1, now_us=NOW)
    with pytest.raises(EventInvalid):
        parse_time(EARLIEST_US // 1000 - 1, now_us=NOW)


@pytest.mark.parametrize("field", ["event_id", "request_id", "session_id", "user_id"])
def test_ids_are_1_to_256_characters(field: str) -> None:
    for good in ("x", "é" * 256, "🐟" * 256):
        assert getattr(decode(request_event(**{"event_id": "e", field: good})), field) == good
    for bad in ("", "x" * 257):
        error = refusal(request_event(**{"event_id": "e", field: bad}))
        assert (error.reason, error.field) == (reasons.SCHEMA, f"$.{field}")


@pytest.mark.parametrize("character", ["\0", "\n", "\x1b", "\x1f"])
def test_ids_with_control_characters_are_refused(character: str) -> None:
    error = refusal(signal_event(session_id=f"a{character}b"), SignalObserved)
    assert (error.reason, error.field) == (reasons.CONTROL_CHARACTER, "$.session_id")


def test_ids_of_any_script_are_accepted() -> None:
    event = decode(request_event(session_id="сессия\u200d 会话"))
    assert check(event, now_us=NOW) == NOW  # type: ignore[arg-type]


def test_an_outcome_needs_a_target() -> None:
    homeless = without(outcome_event(), "session_id")
    error = refusal(homeless, OutcomeRecorded)
    assert error.reason == reasons.NO_TARGET
    named = decode(homeless | {"request_id": "r1"}, OutcomeRecorded)
    assert check(named, now_us=NOW) == START_US + 20 * SECOND  # type: ignore[arg-type]


def test_values_up_to_the_limit_are_read() -> None:
    raw = msgspec.json.encode(request_event())
    decoder = msgspec.json.Decoder(RequestLogged)
    assert decode_json(decoder, raw, max_bytes=len(raw)).request_id == "r1"
    with pytest.raises(EventInvalid) as caught:
        decode_json(decoder, raw, max_bytes=len(raw) - 1)
    assert caught.value.reason == reasons.TOO_LARGE


@pytest.mark.parametrize(
    "event",
    [
        request_event(actor="SECRET"),
        request_event(latency_ms="SECRET"),
        request_event(attributes={"SECRET": 1}),
        request_event(occurred_at="SECRET"),
        request_event(session_id="SECRET" + "\0"),
        request_event(input_messages=[{"role": "user", "parts": [{"SECRET": "SECRET"}, "SECRET"]}]),
    ],
)
def test_refusals_do_not_quote_the_event(event: dict[str, object]) -> None:
    error = refusal(event)
    assert "SECRET" not in f"{error} {error.field} {error.detail}"


def test_every_reason_is_described() -> None:
    codes = {v for k, v in vars(reasons).items() if k.isupper() and isinstance(v, str)}
    assert codes == set(reasons.DESCRIPTIONS)
