"""The vectorised join says what a slow, obvious program says, on random traffic."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from joiners.interactions import JOINED_COLUMNS, join
from tests import strategies
from tests.factories import START_US, light, us
from tests.joiners import reference
from tests.strategies import HORIZON, Traffic


def _rounded(value: Any) -> Any:
    return round(value, 9) if isinstance(value, float) else value


def joined(traffic: Traffic, ever: bool) -> list[dict[str, Any]]:
    frames = [light(kind, traffic.rows(kind)) for kind in strategies.KINDS]
    frame = join(*frames, horizon_us=HORIZON, late_evidence=ever)
    assert frame.columns == list(JOINED_COLUMNS)
    return frame.with_columns(until=frame["evidence_until"]).to_dicts()


@settings(max_examples=60, deadline=None)
@given(strategies.traffic(), st.booleans())
def test_every_column_equals_the_reference(traffic: Traffic, ever: bool) -> None:
    expected = reference.join(*(traffic.rows(k) for k in strategies.KINDS), horizon=HORIZON, ever=ever)
    rows = joined(traffic, ever)
    assert sorted(row["request_id"] for row in rows) == sorted(expected)
    for row in rows:
        row["until"] = us(row["until"]) - START_US
        wanted = expected[row["request_id"]]
        assert {name: _rounded(row[name]) for name in wanted} == {n: _rounded(v) for n, v in wanted.items()}


def test_the_reference_covers_every_feature() -> None:
    from joiners.interactions import FEATURE_COLUMNS

    request = {
        "request_id": "r",
        "session_id": "s",
        "us": 0,
        "partition": 0,
        "offset": 0,
        "prompt_text": None,
        "response_text": None,
        "ending": None,
        "finish_reason": None,
        "error_type": None,
    }
    assert set(FEATURE_COLUMNS) <= set(reference.join([request], [], [], horizon=1)["r"])
