"""Reports become alerts when they are read: once each, with what is known of their request, without text."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest
from jsonschema import Draft202012Validator

from contracts import reasons, topics
from contracts.alerts import Alert, alert_schema, decode_alert, encode_alert
from contracts.settings import AlertSettings, KafkaSettings
from streams.alerting import AlertDesk
from streams.decoding import REQUEST_KEYS, Decoder
from streams.identity import Identity
from tests.factories import START_US, message, request_event, signal_event

IDENTITY = Identity(b"key", held_out_share=0.5)


class Sent:
    """Outputs that only remember."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def send(self, alerts: list[Alert]) -> None:
        self.alerts += alerts


class Place:
    """A desk with a decoder before it, windows behind it and a clock of its own."""

    def __init__(self, **settings: object) -> None:
        self.now = 0.0
        self.sent = Sent()
        self.held = Decoder(KafkaSettings(), IDENTITY).requests()
        options = AlertSettings(**settings)
        self.decoder = Decoder(KafkaSettings(), IDENTITY, watch=options.kinds)
        self.desk = AlertDesk(options, self.sent, lambda *_: self.held, clock=lambda: self.now)
        self.offset = 0

    def feed(self, *events: tuple[str, dict | bytes | None]) -> None:
        for topic, event in events:
            self.decoder.feed([message(topic, event, offset=self.offset)], now_us=START_US)
            self.offset += 1

    def look(self, *, at_once: bool = False) -> int:
        return self.desk.look(self.decoder, now_us=START_US, at_once=at_once)

    def hand_over(self) -> tuple[Alert, ...]:
        self.look(at_once=True)
        consumed = len(self.decoder)
        decoded = self.decoder.take()
        requests = decoded.frames["requests"].select(REQUEST_KEYS)
        return self.desk.hand_over(requests, decoded.dead_letters, consumed=consumed, now_us=START_US)


def report(event_id: str = "g1", **fields: object) -> tuple[str, dict]:
    return topics.SIGNALS, signal_event(event_id, kind="report", **fields)


def request(request_id: str = "r1", **fields: object) -> tuple[str, dict]:
    return topics.REQUESTS, request_event(request_id, **fields)


def test_a_report_is_sent_at_the_first_look_with_the_feature_of_its_request() -> None:
    place = Place()
    place.feed(request(feature="billing"), report(user_id="u1", text="he said something awful", value=None))
    assert place.look() == 1
    (alert,) = place.sent.alerts
    assert alert.alert_id == "g1"
    assert (alert.kind, alert.session_id, alert.request_id, alert.feature) == (
        "report",
        "s1",
        None,
        "billing",
    )
    assert alert.user_key == IDENTITY.user_key("u1")
    assert alert.occurred_at == "2026-03-01T12:00:10Z"
    assert b"awful" not in encode_alert(alert)
    assert alert.key == b"s1"
    assert decode_alert(encode_alert(alert), max_bytes=1 << 20) == alert
    Draft202012Validator(alert_schema()).validate(msgspec.json.decode(encode_alert(alert)))
    assert place.hand_over() == (alert,)
    assert place.look(at_once=True) == 0


def test_other_signals_and_invalid_reports_are_no_alerts() -> None:
    place = Place()
    place.feed(
        (topics.SIGNALS, signal_event("g1", kind="copy")),
        report("g2", occurred_at=5),
        report("g3\n"),
        (topics.SIGNALS, b'{"kind": "report"}'),
        report("g4", actor="internal"),
    )
    assert place.look() == 1
    assert [(a.alert_id, a.actor) for a in place.sent.alerts] == [("g4", "internal")]


def test_the_kinds_are_a_setting() -> None:
    place = Place(kinds=["escalate", "report"])
    place.feed((topics.SIGNALS, signal_event("g1", kind="escalate")), report("g2"))
    assert place.look() == 2
    silent = Place(kinds=[])
    silent.feed(report())
    assert not silent.decoder.has_watched


def test_the_feature_comes_from_windows_the_last_batch_or_this_one() -> None:
    place = Place()
    place.feed(request("r1", session_id="old", feature="a"))
    place.held = place.decoder.requests()
    place.decoder.take()
    place.feed(request("r2", session_id="stored", feature="b"))
    place.hand_over()
    place.feed(request("r3", session_id="now", feature="c"))
    place.feed(*(report(f"g{s}", session_id=s) for s in ("old", "stored", "now", "unknown")))
    place.feed(report("explicit", session_id="elsewhere", request_id="r1"))
    assert place.look() == 5
    assert [a.feature for a in place.sent.alerts] == ["a", "b", "c", None, "a"]


def test_what_is_stored_already_is_not_sent_again() -> None:
    place = Place()
    place.desk.assigned({0: 1})
    place.feed(report("g0"), report("g1"), report("g2"))
    assert place.look() == 1
    assert [a.alert_id for a in place.sent.alerts] == ["g2"]
    place.desk.reset()
    assert place.desk.hand_over(place.decoder.requests(), pl.DataFrame(), consumed=0, now_us=START_US) == ()


def test_a_storm_is_looked_at_a_few_times_per_second_and_never_lost() -> None:
    place = Place()
    looks = 0
    for i in range(100):
        place.feed(report(f"g{i}"))
        place.now += 0.01
        looks += place.look() > 0
    assert looks <= 6
    assert [a.alert_id for a in place.hand_over()] == [f"g{i}" for i in range(100)]
    assert place.sent.alerts[-1].alert_id == "g99"


def test_a_chunk_that_closes_by_itself_keeps_its_reports() -> None:
    place = Place()
    place.feed(report("first"))
    place.feed(*((topics.SIGNALS, signal_event(f"c{i}")) for i in range(2_100)))
    assert place.decoder.has_watched
    assert [a.alert_id for a in place.hand_over()] == ["first"]


@pytest.mark.parametrize(("letters", "rings"), [(4, False), (5, True)])
def test_a_share_of_dead_letters_is_an_alert(letters: int, rings: bool) -> None:
    place = Place(dead_letter_minimum=5, dead_letter_share=0.1)
    place.feed(*(request(f"r{i}") for i in range(20)))
    place.feed((topics.REQUESTS, b"{"))
    assert place.hand_over() == ()
    place.feed(*((topics.SIGNALS, b'{"kind": 3}') for _ in range(letters - 1)))
    alerts = place.hand_over()
    assert place.desk.recent(START_US) == (20 + letters, letters)
    assert bool(alerts) is rings
    if rings:
        (alert,) = alerts
        assert alert.alert_id == "dead_letters/2026-03-01T12:00:00Z"
        assert alert.dead_letters is not None
        assert (alert.dead_letters.consumed, alert.dead_letters.dead_letters) == (25, 5)
        assert alert.dead_letters.reasons == {
            f"{reasons.SCHEMA} of user.signals": 4,
            f"{reasons.MALFORMED_JSON} of llm.requests": 1,
        }
        place.feed(*((topics.SIGNALS, b"{") for _ in range(50)))
        assert place.hand_over() == ()
