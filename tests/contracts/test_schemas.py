"""The JSON Schemas that producers in other languages read."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from contracts import events, topics
from contracts.schemas.generate import FOLDER, documents
from tests.factories import consent_event, outcome_event, request_event, signal_event, without

REQUEST_FIELDS = (
    "schema_version event_id request_id session_id user_id occurred_at feature actor input_messages "
    "output_messages prompt response tools provider model parameters usage latency_ms cost_usd "
    "finish_reason error_type behavior route deployment experiment consent license attributes"
)
FIELDS = {
    "RequestLogged": REQUEST_FIELDS,
    "SignalObserved": "event_id session_id request_id user_id occurred_at kind value text surface actor",
    "OutcomeRecorded": "event_id session_id request_id occurred_at kind success value source supersedes",
    "ConsentChanged": "event_id user_id scope granted policy_version occurred_at",
    "Usage": "input_tokens output_tokens",
    "Behavior": "model_version prompt_name prompt_version tools_hash context_hash agent_version base_model "
    "adapter",
    "Route": "router_version route candidates predicted_difficulty",
    "Deployment": "target engine quantization region",
    "Experiment": "name variant",
    "Consent": "scopes policy_version",
}
"""Fields of design section 3."""

BAD_REQUESTS: list[dict[str, Any]] = [
    without(request_event(), "request_id"),
    request_event(event_id=""),
    request_event(request_id="r" * 257),
    request_event(actor="robot"),
    request_event(latency_ms=-1),
    request_event(usage={"input_tokens": -1}),
    request_event(usage={"input_tokens": 2**63}),
    request_event(occurred_at=None),
    request_event(input_messages=[{"content": "no role"}]),
    request_event(schema_version=2),
    request_event(consent={}),
]


def schema(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def validator(name: str) -> Draft202012Validator:
    document = schema(name)
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_files_are_in_step_with_the_generator(name: str) -> None:
    assert (FOLDER / name).read_text() == documents()[name], "run `python -m contracts.schemas`"


def test_there_is_one_file_per_topic() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {t.__name__ for t in topics.EVENT_TYPES.values()}


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_of_the_design_is_there(name: str) -> None:
    wanted = set(FIELDS[name].split())
    assert wanted <= {field.name for field in msgspec.structs.fields(getattr(events, name))}
    definitions = {k: v for file in documents() for k, v in json.loads(documents()[file])["$defs"].items()}
    assert wanted <= set(definitions[name]["properties"])


def test_every_kind_of_signal_of_the_design_is_known() -> None:
    wanted = [
        "thumbs",
        "rating",
        "edit",
        "copy",
        "accept",
        "undo",
        "regenerate",
        "abandon",
        "escalate",
        "report",
    ]
    check = validator("SignalObserved")
    assert [kind for kind in wanted if not check.is_valid(signal_event(kind=kind))] == []
    assert not check.is_valid(signal_event(kind="applause"))


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("RequestLogged", request_event()),
        ("RequestLogged", request_event(occurred_at="2026-03-01T12:00:00+02:00", session_id=None)),
        ("RequestLogged", request_event(brand_new_field={"a": 1})),
        ("SignalObserved", signal_event(kind="rating", value=4)),
        ("OutcomeRecorded", outcome_event(success=None, supersedes="o0")),
        ("ConsentChanged", consent_event()),
    ],
)
def test_events_and_what_we_encode_from_them_validate(name: str, event: dict[str, Any]) -> None:
    check = validator(name)
    check.validate(event)
    decoded = msgspec.json.decode(msgspec.json.encode(event), type=getattr(events, name))
    check.validate(json.loads(msgspec.json.encode(decoded)))


@pytest.mark.parametrize("event", BAD_REQUESTS)
def test_schema_and_decoder_refuse_the_same(event: dict[str, Any]) -> None:
    assert not validator("RequestLogged").is_valid(event)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(event), type=events.RequestLogged)
