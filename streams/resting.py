"""What windows hold of light rows: texts and repeated words live elsewhere while a row waits.

A row rests from its arrival to the end of its window. Its texts go to a `TextStore`; columns with few
different values become categories. Only the texts that a feature will compare are read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl

from joiners.finishes import is_refusal
from joiners.light import (
    OUTCOME_COLUMNS,
    REQUEST_COLUMNS,
    REQUEST_CONTEXT,
    RESPONSE_CHARS,
    SIGNAL_COLUMNS,
)
from joiners.windows import EMPTY, Due
from streams.text_store import TextStore

REPEATED: Final = (
    *("feature", "actor", "split", "provider", "model", "model_version", "prompt_name", "prompt_version"),
    *("fingerprint", "route", "experiment", "variant", "deployment_target", "region"),
    *("finish_reason", "error_type", "ending", "kind"),
)
"""Columns with few different values."""

EDIT: Final = "edit"


class Resting:
    """Puts light rows to rest and wakes them up, for one window."""

    def __init__(self, store: TextStore) -> None:
        self._store = store
        # Of its own, so that words no window holds any more go with it.
        self._categories = pl.Categorical(pl.Categories.random())
        self.empty = {
            kind: self._with_categories(
                frame.drop("prompt_text", "response_text", "text", strict=False)
            ).with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in _REFERENCES[kind])
            for kind, frame in EMPTY.items()
        }
        self.empty["requests"] = self.empty["requests"].with_columns(refused=pl.lit(value=False))

    def rest(self, kind: str, light: pl.DataFrame) -> pl.DataFrame:
        """Light rows as the window holds them."""
        if kind == "requests":
            rows = light.select(*REQUEST_CONTEXT, "ending", refused=is_refusal(pl.col("response_text")))
            rows = rows.with_columns(
                self._store.put(light["prompt_text"]).alias("prompt_ref"),
                self._store.put(light["response_text"]).alias("response_ref"),
            )
        elif kind == "signals":
            edits = light.select(
                pl.when(pl.col("kind") == EDIT).then(pl.col("text").str.slice(0, RESPONSE_CHARS))
            ).to_series()
            rows = light.select(c for c in SIGNAL_COLUMNS if c != "text").with_columns(
                self._store.put(edits).alias("text_ref")
            )
        else:
            rows = light.select(OUTCOME_COLUMNS)
        return self._with_categories(rows)

    def wake(self, due: Due) -> Due:
        """Due rows as light rows again; texts that no feature compares stay null."""
        return Due(
            self._awake(due.requests, due, own=True),
            self._awake(due.context, due, own=False),
            self._plain(due.signals)
            .with_columns(text=self._store.get(due.signals["text_ref"]))
            .select(SIGNAL_COLUMNS),
            self._plain(due.outcomes).select(OUTCOME_COLUMNS),
        )

    def _awake(self, requests: pl.DataFrame, due: Due, *, own: bool) -> pl.DataFrame:
        """Requests with prompts where the session went on, and responses where edited or refusing."""
        sessions = pl.concat([due.requests["session_id"], due.context["session_id"]])
        went_on = sessions.filter(sessions.is_duplicated()).unique()
        edits = due.signals.filter(pl.col("text_ref").is_not_null())
        edited = pl.col("refused") | pl.col("session_id").is_in(edits["session_id"].implode())
        edited = edited | pl.col("request_id").is_in(edits["request_id"].drop_nulls().implode())
        wanted = requests.select(
            prompt=pl.when(pl.col("session_id").is_in(went_on.implode())).then(pl.col("prompt_ref")),
            response=pl.when(edited & own).then(pl.col("response_ref")),
        )
        return (
            self._plain(requests)
            .with_columns(
                prompt_text=self._store.get(wanted["prompt"]),
                response_text=self._store.get(wanted["response"]),
            )
            .select(REQUEST_COLUMNS)
        )

    def forget(self, held: Mapping[str, Iterable[pl.DataFrame]]) -> None:
        """Let go of texts older than every row held."""
        oldest = [
            frame[name].min() for kind, names in _REFERENCES.items() for name in names for frame in held[kind]
        ]
        known = [number for number in oldest if isinstance(number, int)]
        self._store.keep_from(min(known, default=None))

    def _with_categories(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.col(c).cast(self._categories) for c in REPEATED if c in rows.columns)

    def _plain(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.col(c).cast(pl.String) for c in REPEATED if c in rows.columns)


_REFERENCES: Final[dict[str, tuple[str, ...]]] = {
    "requests": ("prompt_ref", "response_ref"),
    "signals": ("text_ref",),
    "outcomes": (),
}
