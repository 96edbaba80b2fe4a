"""Train and validation: groups of rows that must not be apart are put on one side together.

Guaranteed in a drop: all rows of a conversation are on one side, and all rows of a user. A model that was
trained on one answer to a user is tested on that user's wording otherwise, and the loss on validation would
flatter. Conversations without a user are groups of their own; a conversation that several users took part in
joins them. Near duplicates need no rule: one row of each cluster is in a drop.

Guaranteed between drops: the side is a hash of the group's name and the seed, so a user stays on it, unless a
conversation with another user joins them to a group of another name.

Not guaranteed: that no two users asked the same. The manifest counts such prompts (`prompts_on_both_sides`);
to keep them together would join users by their greetings into one group.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from contracts.pseudonyms import SPLIT_PURPOSE, USER_GROUP, kept_draws
from contracts.settings import CurationSettings
from curation.dedupe import Groups
from curation.sampling import uniform

TRAIN: Final = "train"
VALIDATION: Final = "validation"


def with_split(rows: pl.DataFrame, settings: CurationSettings) -> pl.DataFrame:
    """Add `split` (`train` or `validation`) to rows with `session_id` and `user_key` (null: not known)."""
    draws = draws_of(_groups(rows), settings.seed)
    return rows.with_columns(
        split=pl.when(draws < settings.validation_share).then(pl.lit(VALIDATION)).otherwise(pl.lit(TRAIN))
    )


def draws_of(groups: pl.Series, seed: int) -> pl.Series:
    """The draw of each group. Pseudonyms of a later key carry that of the first, so that replacing the key
    moves nobody (`contracts.pseudonyms`)."""
    kept = kept_draws(groups.str.strip_prefix(USER_GROUP))
    return pl.select(pl.coalesce(kept, uniform(groups, seed, SPLIT_PURPOSE))).to_series()


def _groups(rows: pl.DataFrame) -> pl.Series:
    """The name of each row's group: its first user's, or its first conversation's when it has no user."""
    pairs = rows.select(
        user=pl.format(f"{USER_GROUP}{{}}", "user_key"),
        session=pl.format("1\x1f{}", "session_id"),
    )
    # Users come first, and the smallest member of a set is its root.
    names = pl.concat([pairs["user"].drop_nulls(), pairs["session"]]).unique().sort()
    place = {name: n for n, name in enumerate(names)}
    groups = Groups(names.len())
    for user, session in pairs.unique().iter_rows():
        if user is not None:
            groups.link(place[user], place[session])
    return pl.Series("group", [names[groups.root(place[s])] for s in pairs["session"]], dtype=pl.String)


def split_block(rows: pl.DataFrame, settings: CurationSettings) -> dict[str, object]:
    """The manifest's `splits`: rows per side and kind, and prompts (with their tools) that stand on both."""
    counts = {(split, kind): n for split, kind, n in rows.group_by("split", "kind").len().iter_rows()}
    sides = {
        split: {kind: counts.get((split, kind), 0) for kind in ("preference", "unpaired")}
        for split in (TRAIN, VALIDATION)
    }
    both = rows.group_by("prompt", "tools").agg(pl.col("split").n_unique())["split"]
    return {
        **sides,
        "validation_share": settings.validation_share,
        "together": "rows of a user, else of a conversation",
        "prompts_on_both_sides": int((both > 1).sum()),
    }
