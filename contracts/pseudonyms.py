"""How pseudonyms look after their key was replaced: they say which key they are of.

Under the first key a pseudonym is 32 hex digits. From the second on it is `VERSION-SHARE-HEX`: the key's
number, the user's place in the train/validation split in hundredths (what must not change with the key), and
the hash. Hashes of ids that are kept of erased people are `VERSION-HEX`.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

PATTERN: Final = re.compile(r"[0-9a-f]{32}|[2-9]\d{0,3}-\d\d-[0-9a-f]{32}|1\d{1,3}-\d\d-[0-9a-f]{32}")
"""What a pseudonym looks like."""

FIRST: Final = 1
PLAIN_LENGTH: Final = 32
"""Characters under the first key; under later ones there are more."""
SHARES: Final = 100
SPLIT_PURPOSE: Final = "validation"
"""What the draws of the train/validation split are for (`curation.sampling`)."""

USER_GROUP: Final = "0\x1f"
"""Begins the name of a user's group in the split (`curation.group_split`)."""
_VERSION: Final = r"^(\d+)-"
_SHARE: Final = r"^\d+-(\d\d)-"


def version_of(pseudonym: str) -> int:
    """Number of the key a pseudonym, or a kept hash, is of."""
    head, dash, _ = pseudonym.partition("-")
    return int(head) if dash and head.isdigit() else FIRST


def hash_in(pseudonym: str) -> str:
    """The hash alone."""
    return pseudonym.rpartition("-")[2]


def share_in(pseudonym: str) -> str:
    """The place in the split, two digits; empty under the first key."""
    parts = pseudonym.split("-")
    return parts[1] if len(parts) == 3 else ""


def versions(pseudonyms: pl.Series) -> pl.Series:
    """Number of the key of each pseudonym; null stays null."""
    if int(pseudonyms.str.len_bytes().max() or 0) <= PLAIN_LENGTH:  # type: ignore[arg-type]
        # Looking at every one of them for nothing would cost each append.
        return pl.select(pl.when(pseudonyms.is_not_null()).then(pl.lit(FIRST, dtype=pl.Int64))).to_series()
    found = pseudonyms.str.extract(_VERSION, 1).cast(pl.Int64)
    return pl.select(
        pl.when(pseudonyms.is_not_null()).then(found.fill_null(FIRST)).otherwise(None)
    ).to_series()


def kept_draws(pseudonyms: pl.Series) -> pl.Series:
    """The draw in [0, 1) that a pseudonym carries from the first key on, the middle of its hundredth; null
    under the first key."""
    return (pseudonyms.str.extract(_SHARE, 1).cast(pl.Float64) + 0.5) / SHARES
