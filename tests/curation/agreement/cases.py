"""Small cases with figures published elsewhere.

- Krippendorff, Computing Krippendorff's Alpha-Reliability (2011): four raters, twelve units, with gaps.
- Worked example of the Wikipedia article on Krippendorff's alpha: three raters, fifteen units.
- Fleiss (1971), thirty patients, six ratings each; κ and z as R's irr prints them, quoted in statsmodels
  (BSD-3-Clause) tests.
- Wikipedia's example of Fleiss' kappa and Randolph's calculator, both quoted in statsmodels tests.
- Artstein and Poesio's survey, quoted in nltk (Apache-2.0).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from curation.agreement.ratings import Ratings

_ = None
KRIPPENDORFF: Final = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, _],
    "C": [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 3],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
}
WIKIPEDIA: Final = {
    "A": [_, _, _, _, _, 3, 4, 1, 2, 1, 1, 3, 3, _, 3],
    "B": [1, _, 2, 1, 3, 3, 4, 3, _, _, _, _, _, _, _],
    "C": [_, _, 2, 1, 3, 4, 4, _, 2, 1, 1, 3, 3, _, 4],
}
FLEISS_WIKIPEDIA: Final = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)
RANDOLPH: Final = np.array([[7, 1], [3, 5]])
_FLEISS_ROWS: Final = (
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 "
    "224445 333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 "
    "133333 555555"
)


def krippendorff() -> Ratings:
    return Ratings.from_matrix(KRIPPENDORFF)


def wikipedia() -> Ratings:
    return Ratings.from_matrix(WIKIPEDIA)


def fleiss_1971() -> Ratings:
    return Ratings.from_rows(
        (n, f"rating {k}", int(label))
        for n, row in enumerate(_FLEISS_ROWS.split())
        for k, label in enumerate(row)
    )


def artstein_poesio() -> Ratings:
    def labels(stat: int, ireq: int, chck: int) -> list[str]:
        return ["stat"] * stat + ["ireq"] * ireq + ["chck"] * chck

    return Ratings.from_matrix({"a": labels(46, 44, 10), "b": labels(52, 32, 16)})
