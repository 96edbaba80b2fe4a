"""Labels to fit the score to: downstream outcomes, gold labels, or a file of a team's own.

`failed` is true when the response failed. A request without a label is unobserved: it takes no part, and is
never read as a success.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from contracts.errors import LabelsInvalid
from curation.judge.gold import newest_gold
from sinks.drops.manifest import stable_hash
from sinks.lake import Lake

OUTCOMES: Final = "outcomes"
GOLD: Final = "gold"
WORDS: Final = {"fail": True, "pass": False}
"""What labels in words mean."""

_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels by request (`request_id`, `failed`), where they come from, and what was set aside.

    `excluded`: evidence terms that the labels are made of, and that the fit must not see.
    """

    rows: pl.DataFrame
    source: str
    excluded: tuple[str, ...] = ()
    set_aside: dict[str, int] | None = None

    @property
    def sha256(self) -> str:
        """Hash of the labels: request and word, ordered by request."""
        return stable_hash(self.rows.select("request_id", "failed").sort("request_id").rows())


def load_labels(
    lake: Lake,
    source: str,
    *,
    column: str = "label",
    true_means: str | None = None,
    skip_unknown: bool = False,
) -> Labels:
    """Labels named on the command line: `outcomes`, `gold`, or the path of a JSONL, CSV or Parquet file.

    A file has `request_id` and `column`: the words fail and pass, or true and false (1 and 0), for which
    `true_means` must say which of the words true stands for. Raises `LabelsInvalid`.
    """
    if source == OUTCOMES:
        return outcome_labels(lake)
    if source == GOLD:
        return gold_labels(lake)
    rows = read_file(Path(source), column=column, true_means=true_means)
    known = lake.interactions().select("request_id").collect()["request_id"]
    unknown = rows.filter(~pl.col("request_id").is_in(known.implode()))
    if unknown.height and not skip_unknown:
        raise LabelsInvalid(
            f"{source}: {unknown.height:,} of {rows.height:,} labels are of requests the lake does not hold: "
            f"{_some(unknown['request_id'])}",
            hint="Is it the right lake, and has the worker joined them? --skip-unknown leaves them out.",
        )
    kept = rows.join(unknown, on="request_id", how="anti", maintain_order="left")
    return Labels(kept, Path(source).name, set_aside={"unknown": unknown.height} if unknown.height else None)


def outcome_labels(lake: Lake) -> Labels:
    """Requests with downstream outcomes: failed when most of the known ones speak against the response."""
    found = (
        lake.interactions()
        .filter(pl.col("outcome_success").is_not_null())
        .select("request_id", "outcome_success")
        .sort("request_id")
        .collect()
    )
    clear = found.filter(pl.col("outcome_success") != 0.5)
    return Labels(
        clear.select("request_id", failed=pl.col("outcome_success") < 0.5),
        OUTCOMES,
        excluded=("outcome",),
        set_aside={"undecided": found.height - clear.height} if found.height > clear.height else None,
    )


def gold_labels(lake: Lake) -> Labels:
    """The newest adjudicated label of each request."""
    rows = (
        newest_gold(lake.scan("gold_labels"))
        .select("request_id", failed=pl.col("label") == "fail")
        .sort("request_id")
        .collect()
    )
    return Labels(rows, GOLD)


_READERS: Final[dict[str, Callable[[Path], pl.DataFrame]]] = {
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".ndjson": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".csv": lambda path: pl.read_csv(path, schema_overrides={"request_id": pl.String}),
    ".parquet": pl.read_parquet,
}


def read_file(path: Path, *, column: str = "label", true_means: str | None = None) -> pl.DataFrame:
    """Labels of a file as `request_id` and `failed`, ordered by id. Raises `LabelsInvalid`."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise LabelsInvalid(
            f"{path}: labels are read from {', '.join(_READERS)} files",
            hint="Or say `outcomes` or `gold`.",
        )
    if not path.is_file():
        raise LabelsInvalid(f"{path} is not a file", hint="Check the path, or say `outcomes` or `gold`.")
    try:
        frame = reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise LabelsInvalid(
            f"{path} cannot be read as {path.suffix[1:]}: {type(error).__name__}",
            hint='One {"request_id": …, "label": …} a line, or the same as columns.',
        ) from None
    if missing := [name for name in ("request_id", column) if name not in frame.columns]:
        raise LabelsInvalid(
            f"{path} has no column {' and no '.join(missing)}",
            hint=f"Its columns: {', '.join(frame.columns[:8])}. --label-column names the one with labels.",
        )
    rows = frame.select(pl.col("request_id").cast(pl.String), label=pl.col(column))
    empty = rows.filter(pl.any_horizontal(pl.all().is_null()))
    if empty.height:
        raise LabelsInvalid(
            f"{path}: {empty.height:,} rows have no id or no label",
            hint="Leave unlabelled requests out: no label is not the same as pass.",
        )
    rows = rows.select("request_id", failed=_failed(rows["label"], path, true_means))
    return _once_each(rows, path)


def _failed(labels: pl.Series, path: Path, true_means: str | None) -> pl.Series:
    words = labels.cast(pl.String).str.strip_chars().str.to_lowercase()
    found = set(words.unique())
    if found <= set(WORDS):
        return words.replace_strict(WORDS, return_dtype=pl.Boolean)
    truths = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    if not found <= set(truths):
        raise LabelsInvalid(
            f"{path}: {len(found - set(truths) - set(WORDS))} kinds of label are neither fail nor pass, nor "
            "true nor false",
            hint="Use the words fail and pass.",
        )
    if true_means not in WORDS:
        raise LabelsInvalid(
            f"{path}: the labels are true and false, which says nothing about which of them failed",
            hint="Add --true-means fail or --true-means pass, or use the words fail and pass.",
        )
    return words.replace_strict(truths, return_dtype=pl.Boolean) == WORDS[true_means]


def _once_each(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    per_id = rows.group_by("request_id").agg(pl.len(), pl.col("failed").n_unique().alias("labels"))
    conflicting = per_id.filter(pl.col("labels") > 1).sort("request_id")
    if conflicting.height:
        raise LabelsInvalid(
            f"{path}: {conflicting.height:,} requests are labelled both fail and pass: "
            f"{_some(conflicting['request_id'])}",
            hint="Settle them first (`gold` labels are adjudicated), or leave them out.",
        )
    repeated = per_id.filter(pl.col("len") > 1).sort("request_id")
    if repeated.height:
        raise LabelsInvalid(
            f"{path}: {repeated.height:,} requests are labelled more than once: "
            f"{_some(repeated['request_id'])}",
            hint="Keep one row per request: repeated ones would count more than others.",
        )
    return rows.sort("request_id")


def _some(ids: pl.Series) -> str:
    """A few ids for a message."""
    listed: Sequence[str] = ids.head(_NAMED).to_list()
    return ", ".join(listed) + (", …" if ids.len() > _NAMED else "")
