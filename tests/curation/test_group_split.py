"""What belongs together is on one side, and stays there from drop to drop."""

from __future__ import annotations

from collections import defaultdict

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from contracts.settings import CurationSettings
from curation.group_split import split_block, with_split

Row = tuple[str | None, str]
ROWS = st.lists(
    st.tuples(st.none() | st.sampled_from("uvwx"), st.sampled_from([f"s{n}" for n in range(8)])), max_size=20
)


def split(rows: list[Row], *, share: float = 0.5, seed: int = 17) -> list[str]:
    frame = pl.DataFrame(rows, schema={"user_key": pl.String, "session_id": pl.String}, orient="row")
    settings = CurationSettings(validation_share=share, seed=seed)
    return with_split(frame, settings)["split"].to_list()


@given(ROWS, st.integers(0, 50))
def test_conversations_and_users_are_on_one_side(rows: list[Row], seed: int) -> None:
    sides: dict[str, set[str]] = defaultdict(set)
    for (user, session), side in zip(rows, split(rows, seed=seed), strict=True):
        sides[f"session {session}"].add(side)
        if user is not None:
            sides[f"user {user}"].add(side)
    assert all(len(found) == 1 for found in sides.values())


@given(ROWS, st.randoms())
def test_the_order_of_rows_and_rows_of_other_groups_change_nothing(rows: list[Row], dice: object) -> None:
    before = dict(zip(rows, split(rows), strict=True))
    more = [*rows, ("other", "other"), (None, "alone")]
    dice.shuffle(more)  # type: ignore[attr-defined]
    after = dict(zip(more, split(more), strict=True))
    assert {row: after[row] for row in rows} == before


def test_a_user_stays_on_their_side_whatever_they_talk_about() -> None:
    today = split([(f"user-{n}", f"today-{n}") for n in range(300)])
    tomorrow = split([(f"user-{n}", f"tomorrow-{n}") for n in range(300)])
    assert today == tomorrow
    assert len(set(today)) == 2


def test_the_share_is_that_of_the_groups() -> None:
    rows: list[Row] = [(f"user-{n}", f"session-{n}") for n in range(4_000)]
    share = split(rows, share=0.05).count("validation") / len(rows)
    assert 0.035 < share < 0.065
    assert set(split(rows, share=0.0)) == {"train"}
    assert split(rows, seed=1) != split(rows, seed=2)


def test_the_manifest_counts_sides_and_prompts_on_both() -> None:
    rows = pl.DataFrame(
        {
            "kind": ["preference", "preference", "unpaired", "unpaired"],
            "split": ["train", "validation", "train", "train"],
            "prompt": ["hi", "hi", "ho", "ho"],
            "tools": pl.Series([None, None, None, "[]"], dtype=pl.String),
        }
    )
    block = split_block(rows, CurationSettings())
    assert block["train"] == {"preference": 1, "unpaired": 2}
    assert block["validation"] == {"preference": 1, "unpaired": 0}
    assert (block["prompts_on_both_sides"], block["validation_share"]) == (1, 0.05)
