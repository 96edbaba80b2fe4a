from __future__ import annotations

import pytest

from curation.agreement.wilson import wilson


@pytest.mark.parametrize(
    ("failures", "rows", "low", "high"),
    [(0, 10, 0.0, 0.2775), (1, 10, 0.0179, 0.4042), (81, 263, 0.2553, 0.3662), (10, 10, 0.7225, 1.0)],
)
def test_wilson_agrees_with_published_values(failures: int, rows: int, low: float, high: float) -> None:
    """The case 81 of 263 is Newcombe's (Statistics in Medicine 17, 1998, table I)."""
    assert wilson(failures, rows) == pytest.approx((low, high), abs=1e-4)


def test_wilson_without_rows_knows_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
