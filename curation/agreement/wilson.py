"""The score interval of a proportion.

Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
"""

from __future__ import annotations

import math
from typing import Final

Z95: Final = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


def wilson(hits: int, rows: int, z: float = Z95) -> tuple[float, float]:
    """The interval of hits ÷ rows, as shares 0 to 1; (0, 1) without rows.

    ``(p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n)``
    """
    if rows <= 0:
        return 0.0, 1.0
    p = hits / rows
    centre = p + z * z / (2 * rows)
    half = z * math.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
