"""Messages of `tailrace.failures`: decoding them, and finding the text they refer to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec
import polars as pl

from contracts.tables import frame_schema, nullable_columns
from contracts.validation import decode_json
from curation.candidates import REQUEST_TERMS, has_text
from curation.judge.verdicts import FEATURE_COLUMNS
from sinks.lake import Lake

_COLUMNS: Final = (
    *(
        "request_id",
        "revision",
        "session_id",
        "user_key",
        "occurred_at",
        "date",
        "feature",
        "actor",
        "split",
        "region",
    ),
    *("partition", "offset", "failure_score", "failure_hint", "contributions"),
    *FEATURE_COLUMNS,
)
"""What judging needs of an interaction: identity, eligibility and evidence."""

_TEXTS: Final = ("input_messages", "output_messages", "tools")
"""What the judge reads of a request besides."""

FAILURE_SCHEMA: Final = pl.Schema({name: frame_schema("interactions")[name] for name in _COLUMNS})
"""Failures as a frame, with the column types of `interactions`."""


class Contribution(msgspec.Struct, frozen=True):
    """What one piece of evidence adds to the log-odds of failure."""

    signal: str
    contribution: float


_SIMPLE: Final[dict[type[pl.DataType], Any]] = {
    pl.String: str,
    pl.Boolean: bool,
    pl.Float64: float,
    pl.Int32: int,
    pl.Int64: int,
    pl.Date: date,
    pl.Datetime: datetime,
    pl.List: list[Contribution],
}


def _fields() -> list[tuple[str, Any] | tuple[str, Any, Any]]:
    """Fields of a message as the table's contract has them; columns that may be null may be missing."""
    nullable = nullable_columns("interactions")
    required: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    optional: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name, dtype in FAILURE_SCHEMA.items():
        kind = _SIMPLE[dtype.base_type()]
        if name in nullable:
            optional.append((name, kind | None, None))
        else:
            required.append((name, kind))
    return required + optional


Failure: Any = msgspec.defstruct("Failure", _fields(), frozen=True)
"""One message of `tailrace.failures`, as far as judging needs it."""

CONSENT_SCHEMA: Final = pl.Schema(
    {
        name: frame_schema("consents")[name]
        for name in ("user_key", "scope", "granted", "policy_version", "occurred_at")
    }
)
"""Consent changes as eligibility reads them."""

_decoder: Final = msgspec.json.Decoder(Failure)


def decode_failure(value: bytes | None, *, max_bytes: int) -> Any:
    """A `Failure` from a message's value; raises `EventInvalid` with the reason."""
    return decode_json(_decoder, value, max_bytes=max_bytes)


def failure_frame(failures: Sequence[Any]) -> pl.DataFrame:
    """Failures as a frame, the highest revision of each request only."""
    rows = [msgspec.structs.asdict(failure) for failure in failures]
    for row in rows:
        row["contributions"] = [msgspec.structs.asdict(c) for c in row["contributions"]]
    frame = pl.DataFrame(rows, schema=FAILURE_SCHEMA)
    return frame.sort("request_id", "revision").unique("request_id", keep="last", maintain_order=True)


def with_text(lake: Lake, failures: pl.DataFrame) -> pl.DataFrame:
    """Failures joined with text and terms of their requests; those the lake does not hold are left out.

    Day and offset range let the reader skip nearly all files.
    """
    wanted = pl.col("request_id").is_in(failures["request_id"].implode())
    near = pl.col("offset").is_between(failures["offset"].min(), failures["offset"].max())
    today = pl.col("date").is_in(failures["date"].unique().to_list())
    texts = (
        lake.scan("requests")
        .filter(today, near, wanted, ~pl.col("duplicate"))
        .sort("partition", "offset")
        .select("request_id", *_TEXTS, *REQUEST_TERMS, has_text=has_text())
        .unique("request_id", keep="first")
        .collect()
    )
    return failures.join(texts, on="request_id", how="inner", maintain_order="left")


def consents_of(lake: Lake, user_keys: Sequence[str], scope: str) -> pl.DataFrame:
    """Consent changes the lake holds of some users for one scope (`CONSENT_SCHEMA`)."""
    return (
        lake.scan("consents")
        .filter(pl.col("user_key").is_in(user_keys), pl.col("scope") == scope, ~pl.col("duplicate"))
        .select(list(CONSENT_SCHEMA))
        .collect()
    )
