from __future__ import annotations

import polars as pl
import pytest

from curation.nightly import kto_weights


def rows(*labels: tuple[str, bool | None]) -> pl.DataFrame:
    made = [
        {"kind": "unpaired" if label is not None else "preference", "split": split, "label": label}
        for split, label in labels
    ]
    return pl.DataFrame(made, schema={"kind": pl.String, "split": pl.String, "label": pl.Boolean})


@pytest.mark.parametrize(
    ("good", "bad", "desirable", "undesirable"),
    [(3, 3, 1.0, 1.0), (2, 5, 2.5, 1.0), (5, 2, 1.0, 2.5), (0, 4, 1.0, 1.0), (4, 0, 1.0, 1.0)],
)
def test_the_rarer_class_of_the_training_split_weighs_more(
    good: int, bad: int, desirable: float, undesirable: float
) -> None:
    train = [("train", True)] * good + [("train", False)] * bad
    other = [("validation", True)] * 7 + [("train", None)] * 9
    assert kto_weights(rows(*train, *other)) == {
        "desirable_weight": desirable,
        "undesirable_weight": undesirable,
    }
