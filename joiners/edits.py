"""What kind of change an edit is: the same in other clothes, a correction, the opposite, or a new text.

Only a correction makes a good preference pair. Decided from words, not from the edit distance alone: one
wrong date in a page of text is a correction at a distance of 0.01, new bullet points are none at 0.3.

Both texts are brought to words (Unicode NFKC, lower case, no punctuation or markup; scripts without spaces
give one word per character), then, in this order:

1. **cosmetic**: the words are the same;
2. **opposite**: a refusal became an answer (or the reverse), an opening "yes" became "no";
3. **rewrite**: one side has no words, the edited one has `SCALE` times as many, or next to nothing of the
   shorter text survives (`SURVIVING` of its words, `REPLACED` of its characters);
4. **opposite**: a negation or an antonym changed while hardly any other word did (`SAME_OTHERWISE`,
   `OTHER_WORDS`);
5. **cosmetic**: no name, number, comparison or negation changed, and only `FILLERS` did, or very few words
   (`COSMETIC_WORDS`, within `COSMETIC_RATIO`);
6. **corrective**: everything else.

A refusal turned into an answer counts as opposite, not as a correction: whether the model should have
answered is a question of policy that a user's edit does not settle.

Word lists cover English and, more thinly, German, French, Spanish, Portuguese, Italian, Russian, Chinese,
Japanese and Korean; in other languages "opposite" shows as "corrective".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from joiners.edit_words import (
    CAPITAL_FILLERS,
    CONTRACTED,
    FILLERS,
    IDIOMS,
    NEGATION,
    NO,
    OPPOSITES,
    POLAR,
    YES,
)
from joiners.finishes import is_refusal

EDIT_CLASSES: Final = ("cosmetic", "corrective", "opposite", "rewrite")

SCALE: Final = 8.0
"""Times an edited text may have the words of the response before it is a new text that quotes it. Cutting
down is a correction, whatever is left."""

SURVIVING: Final = 0.3
"""Share of the shorter text's words that must be in the other one."""

REPLACED: Final = 0.8
"""Share of the shorter text's characters from which an edit replaces rather than changes: the edit distance
less the difference in length, over the shorter length. Insertions alone replace nothing."""

FEW_WORDS: Final = 5
"""Up to so many words an answer may be replaced whole and still be corrected: "Sydney" to "Canberra"."""

SAME_OTHERWISE: Final = 0.2
"""Share of changed words, negations and antonyms aside, up to which the rest is the same statement."""

OTHER_WORDS: Final = 4
"""Changed words, negations and antonyms aside, up to which it is."""

COSMETIC_WORDS: Final = 0.03
"""Share of changed words up to which a change may be cosmetic."""

COSMETIC_RATIO: Final = 0.15
"""Edit ratio up to which it may be, so that moving paragraphs about is more than cosmetic."""

FILLER_RATIO: Final = 0.5
"""Edit ratio up to which a change of mere `FILLERS` is cosmetic."""

_UNSPACED: Final = r"\p{Han}\p{Hiragana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD: Final = (
    rf"[{_UNSPACED}]|-?\p{{N}}+(?:[.,:/]\p{{N}}+)*%?"
    rf"|[[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]+"
    r"|[=!<>]=|[<>&+/^$€£¥°]"
)
_NUMBER: Final = r"-?\p{N}+(?:[.,:/]\p{N}+)*%?|[=!<>]=|[<>]"
_SENTENCE_START: Final = r"(^|[.!?:;\n\u{2026}]\W*|^\W+)\p{Lu}"
_NAME: Final = r"\b\p{Lu}[\p{L}\p{M}\p{N}_]+"

CONTEXT: Final = 24
"""Characters kept around a change, so that a name is seen to stand inside a sentence."""


def classify(before: pl.Series, after: pl.Series, ratio: pl.Series) -> pl.Series:
    """The class of each edit (one of `EDIT_CLASSES`); no nulls.

    `before` is the response, `after` the edited text, `ratio` their `text.edit_ratio`; all without nulls.
    """
    if before.is_empty():
        return pl.Series("edit_class", [], dtype=pl.String)
    spans = [_span(old, new) for old, new in zip(before.to_list(), after.to_list(), strict=True)]
    schema = {"old": pl.String(), "new": pl.String(), "around": pl.String()}
    frame = pl.DataFrame(spans, schema=schema, orient="row").with_columns(
        ratio=ratio,
        chars=before.str.len_chars().cast(pl.Float64),
        chars_after=after.str.len_chars().cast(pl.Float64),
        turned_whole=(is_refusal(before) != is_refusal(after))
        | (_says(before, YES) & _says(after, NO))
        | (_says(before, NO) & _says(after, YES)),
    )
    frame = frame.with_columns(_composed(frame["old"]), _composed(frame["new"]))
    return _with_words(frame).select(edit_class=_decide()).to_series()


def _composed(texts: pl.Series) -> pl.Series:
    """Texts in Unicode NFKC. ASCII is that already, which saves a fifth of the time of English edits."""
    other = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    return texts.scatter(other, texts.gather(other).str.normalize("NFKC")) if len(other) else texts


def _span(old: str, new: str) -> tuple[str, str, str]:
    """The stretch in which two texts differ, in both, and what lies around it.

    Most edits touch one place of a long text: only there are words looked at. The stretch is widened to
    whole words.
    """
    most = min(len(old), len(new))
    head = _equal(most, lambda n: old[:n] == new[:n])
    left = max(head - CONTEXT, 0)
    left = 0 if left == 0 else old.find(" ", left, head) + 1 or left
    tail = _equal(most - head, lambda n: n == 0 or old[-n:] == new[-n:])
    if tail:
        space = old.find(" ", len(old) - tail)
        tail = len(old) - space if space >= 0 else max(tail - CONTEXT, 0)
    return old[left : len(old) - tail], new[left : len(new) - tail], f"{old[:left]} {old[len(old) - tail :]}"


def _equal(most: int, same: Callable[[int], bool]) -> int:
    """The greatest length up to `most` for which `same` holds; it holds for every shorter one too."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if same(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _says(texts: pl.Series, opening: str) -> pl.Series:
    return texts.str.slice(0, 40).str.to_lowercase().str.contains(opening)


def _facts(side: str) -> pl.Expr:
    """Numbers, comparisons and names (capitalised inside a sentence) of a text."""
    # A capital at the start of a sentence says nothing: it is cut off, the rest then is no name.
    inside = pl.col(side).str.replace_all(_SENTENCE_START, "$1")
    names = inside.str.extract_all(_NAME).list.set_difference(pl.lit(CAPITAL_FILLERS))
    return pl.concat_list(pl.col(side).str.extract_all(_NUMBER), names)


def _plain(side: str) -> pl.Expr:
    expr = pl.col(side).str.to_lowercase()
    for pattern, replacement in CONTRACTED.items():
        expr = expr.str.replace_all(pattern, replacement)
    return expr.str.replace_all(IDIOMS, " idiom ")


def _with_words(frame: pl.DataFrame) -> pl.DataFrame:
    frame = frame.with_columns(
        _plain("old"),
        _plain("new"),
        facts_changed=_facts("old").list.set_symmetric_difference(_facts("new")).list.len() > 0,
        outside=pl.col("around").str.count_matches(_WORD),
    )
    frame = frame.with_columns(
        words=pl.col("old").str.extract_all(_WORD),
        words_after=pl.col("new").str.extract_all(_WORD),
        negations=(
            pl.col("new").str.count_matches(NEGATION).cast(pl.Int32)
            - pl.col("old").str.count_matches(NEGATION).cast(pl.Int32)
        ).abs(),
    )
    frame = frame.with_columns(
        gone=pl.col("words").list.set_difference("words_after"),
        came=pl.col("words_after").list.set_difference("words"),
    )
    return frame.with_columns(
        changed=pl.concat_list("gone", "came"),
        common=pl.col("outside") + pl.col("words").list.n_unique() - pl.col("gone").list.len(),
    )


def _without(words: pl.Expr, listed: list[str]) -> pl.Expr:
    """How many different words there are beside the listed ones."""
    return words.list.set_difference(pl.lit(pl.Series([listed], dtype=pl.List(pl.String)))).list.len()


def _decide() -> pl.Expr:
    common, gone, came, changed = (pl.col(c) for c in ("common", "gone", "came", "changed"))
    sizes = [common + gone.list.len(), common + came.list.len()]
    fewer, most = pl.min_horizontal(sizes), pl.max_horizontal(sizes)
    union = common + changed.list.len()
    short, long = pl.min_horizontal("chars", "chars_after"), pl.max_horizontal("chars", "chars_after")
    replaced = (pl.col("ratio") * long - (long - short)) / short.clip(1.0)
    fresh = (common < SURVIVING * fewer) | (replaced > REPLACED)
    grown = sizes[1] > SCALE * sizes[0]
    rewrite = (fewer == 0) | grown | (fresh & (most > FEW_WORDS))

    opposites = gone.list.eval(
        pl.element().replace_strict(OPPOSITES, default=None).explode(empty_as_null=False).drop_nulls()
    )
    flipped = (pl.col("negations") % 2 == 1) | (opposites.list.set_intersection(came).list.len() > 0)
    others = _without(changed, POLAR)
    opposite = flipped & (others <= OTHER_WORDS) & (others <= SAME_OTHERWISE * union)

    harmless = ~pl.col("facts_changed") & (pl.col("negations") == 0)
    fillers = (_without(changed, FILLERS) == 0) & (pl.col("ratio") <= FILLER_RATIO)
    few = (changed.list.len() <= COSMETIC_WORDS * union) & (pl.col("ratio") <= COSMETIC_RATIO)
    return (
        pl.when(pl.col("words") == pl.col("words_after"))
        .then(pl.lit("cosmetic"))
        .when("turned_whole")
        .then(pl.lit("opposite"))
        .when(rewrite)
        .then(pl.lit("rewrite"))
        .when(opposite)
        .then(pl.lit("opposite"))
        .when(harmless & (fillers | few))
        .then(pl.lit("cosmetic"))
        .otherwise(pl.lit("corrective"))
    )
