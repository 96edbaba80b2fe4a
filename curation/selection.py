"""Selection: the failures worth learning from, and beside them slices that keep a drop from being hard only.

Slices, by where a request stands before anything is chosen:

- failure: score at or above the threshold;
- safety: safety-tagged below it, a random `safety_share`;
- control: the others below it, a random `control_share`;
- replay: requests that made rows of an earlier drop, put in again: a random sample, as large as makes it
  `replay_share` of what is selected. They pass today's gates like everybody else.

Among them caps choose by rank, at random with known chances (`curation.sampling`): a row's weight is

    rank ** rank_sharpness,
    rank = max(failure_score, 0.05) · (1 + disagreement) / 2 · (0.1 + 0.9 · novelty)

The score leads, full disagreement between signals doubles a row, and one that resembles what earlier drops
hold keeps a tenth. So no factor can silence the others: every rank lies in (0, 1]. The higher
`rank_sharpness`, the closer to simply taking the best; at 0 caps choose blindly.

`inclusion_probability` is the chance of a row to be selected: 1 for a failure that no cap touched, else the
share of its slice times what the caps left of it. Weighing rows by its inverse makes a selection stand for
the eligible requests behind it, without bias: for the control slice that is the traffic below the threshold,
for the replay slice the requests that earlier drops hold. What the judge and the gates refuse later is no
matter of chance and does not enter.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from contracts.errors import SettingsError
from contracts.settings import CurationSettings
from curation.safety import is_safety
from curation.sampling import Cap, apply_caps, uniform
from curation.steps import StepResult, refusals

SLICES: Final = ("failure", "safety", "control", "replay")

SCORE_FLOOR: Final = 0.05
NOVELTY_FLOOR: Final = 0.1

_DEFAULTS: Final = {"disagreement": 0.0, "novelty": 1.0, "in_earlier_drop": False}
"""What a missing column or a null in it means."""

_WORKING: Final = ("_order", "_size", "_draw", "cap", "chance", "base_probability", "in_earlier_drop")


def with_slices(rows: pl.DataFrame, settings: CurationSettings) -> pl.DataFrame:
    """Add `failing`, `safety` (booleans), `slice` (null: not selected) and `base_probability`.

    Needs no texts and no novelty: rows without a slice can be forgotten before either is computed.
    rows: request_id, failure_score, finish_class, feature, report_count; in_earlier_drop is optional
    (boolean: the request made a row of an earlier drop).
    """
    rows = _with_defaults(rows, "in_earlier_drop")
    ids, seed = rows["request_id"], settings.seed
    failing = (pl.col("failure_score") >= settings.failure_threshold).fill_null(value=False)
    rows = rows.with_columns(
        failing=failing,
        safety=is_safety(rows, settings),
        _control=uniform(ids, seed, "control"),
        _replay=uniform(ids, seed, "replay"),
    )
    share = pl.when("safety").then(settings.safety_share).otherwise(settings.control_share)
    fresh = (
        pl.when(pl.col("in_earlier_drop"))
        .then(None)
        .when("failing")
        .then(pl.lit("failure"))
        .when(pl.col("_control") < share)
        .then(pl.when("safety").then(pl.lit("safety")).otherwise(pl.lit("control")))
    )
    rows = rows.with_columns(slice=fresh)
    pool = int(rows["in_earlier_drop"].sum())
    replays = min(pool, _replays(rows["slice"].count(), settings))
    again = pl.col("in_earlier_drop") & _among_smallest("_replay", "in_earlier_drop", replays)
    return rows.with_columns(
        slice=pl.when(again).then(pl.lit("replay")).otherwise("slice"),
        base_probability=pl.when(again)
        .then(replays / max(pool, 1))
        .when(pl.col("slice") == "failure")
        .then(1.0)
        .when(pl.col("slice").is_not_null())
        .then(share),
    ).drop("_control", "_replay")


def _replays(fresh: int, settings: CurationSettings) -> int:
    """How many replayed rows make up their share of a selection with so many fresh ones."""
    return round(fresh * settings.replay_share / (1.0 - settings.replay_share))


def _among_smallest(draw: str, flag: str, count: int) -> pl.Expr:
    """Whether a flagged row's draw is one of the `count` smallest, ties decided by the id."""
    order = pl.struct(~pl.col(flag), pl.col(draw), pl.col("request_id"))
    return order.rank("ordinal") <= count


def rank(settings: CurationSettings) -> tuple[pl.Expr, pl.Expr]:
    """Rank of a row and its weight in the draw, as in the module's docstring."""
    # A row that is replayed is known by design.
    novelty = pl.when(pl.col("slice") == "replay").then(1.0).otherwise(pl.col("novelty").clip(0.0, 1.0))
    ranked = (
        pl.col("failure_score").fill_null(0.0).clip(SCORE_FLOOR, 1.0)
        * ((1.0 + pl.col("disagreement").clip(0.0, 1.0)) / 2.0)
        * (NOVELTY_FLOOR + (1.0 - NOVELTY_FLOOR) * novelty)
    )
    return ranked, ranked**settings.rank_sharpness


def select(rows: pl.DataFrame, settings: CurationSettings) -> StepResult:
    """Keep the rows of the slices within the caps; everything else is refused with the reason.

    rows: without texts, as `with_slices` leaves them (called here when `slice` is missing), with date,
    session_id, user_key, feature, fingerprint and the columns of `segment_columns`; disagreement and novelty
    are optional (0 to 1; missing or null: 0 and 1). Adds `rank` and `inclusion_probability`.

    Caps count failures, control and replay together, per user (else session), fingerprint, segment and
    feature, in this order. Safety-tagged rows are exempt: they are neither refused by a cap nor counted.
    Reasons: `below_threshold`, `in_earlier_drop`, `user_cap`,
    `fingerprint_cap`, `segment_cap`, `feature_cap`, `replay_share`. Neither the order of the rows nor how
    they are split in memory changes the result.
    """
    if "slice" not in rows.columns:
        rows = with_slices(rows, settings)
    rows = _with_defaults(rows, *_DEFAULTS)
    ranked, weight = rank(settings)
    draws = uniform(rows["request_id"], settings.seed, "caps")
    rows = rows.with_columns(rank=ranked, _size=weight, _draw=draws)
    chosen = rows.filter(pl.col("slice").is_not_null()).with_row_index("_order")
    exempt = chosen.filter("safety").with_columns(cap=pl.lit(None, dtype=pl.String), chance=pl.lit(1.0))
    rest = chosen.filter(~pl.col("safety"))
    rest = apply_caps(rest, _caps(rows.columns, settings), weight=pl.col("_size"), draw=pl.col("_draw"))
    done = pl.concat([exempt, _replays_within_share(rest, exempt, settings)]).sort("_order")
    done = done.with_columns(inclusion_probability=pl.col("base_probability") * pl.col("chance"))
    kept = done.filter(pl.col("cap").is_null()).drop(_WORKING)
    refused = _refused(rows, done.filter(pl.col("cap").is_not_null()))
    return StepResult("select", kept, refused, rows.height, notes=_notes(rows, kept))


def _with_defaults(rows: pl.DataFrame, *names: str) -> pl.DataFrame:
    return rows.with_columns(
        (pl.col(name).fill_null(_DEFAULTS[name]) if name in rows.columns else pl.lit(_DEFAULTS[name])).alias(
            name
        )
        for name in names
    )


def _keys(columns: list[str], settings: CurationSettings) -> dict[str, tuple[pl.Expr, int]]:
    """Caps in force, from the narrowest group to the widest: reason → key and most rows."""
    unknown = [name for name in settings.segment_columns if name not in columns]
    if unknown and settings.max_per_segment:
        raise SettingsError(
            f"curation.segment_columns: these rows have no {', '.join(unknown)}",
            hint="Name columns of the `interactions` table, such as region, experiment or route.",
        )
    segment = [pl.col(name).cast(pl.String) for name in ("feature", *settings.segment_columns)]
    keys = {
        "user_cap": (pl.coalesce("user_key", "session_id"), settings.max_per_user),
        "fingerprint_cap": (pl.col("fingerprint"), settings.max_per_fingerprint),
        "segment_cap": (
            pl.concat_str([part.fill_null("\x00") for part in segment], separator="\x1f"),
            settings.max_per_segment,
        ),
        "feature_cap": (pl.col("feature"), settings.max_per_feature),
    }
    return {reason: (key, most) for reason, (key, most) in keys.items() if most}


def _caps(columns: list[str], settings: CurationSettings) -> list[Cap]:
    return [Cap(reason, key, most) for reason, (key, most) in _keys(columns, settings).items()]


def _replays_within_share(
    rows: pl.DataFrame, exempt: pl.DataFrame, settings: CurationSettings
) -> pl.DataFrame:
    """Refuse replayed rows beyond the share of what the caps left; `rows` as `apply_caps` returns them."""
    replay = pl.col("slice") == "replay"
    again = rows.filter(replay & pl.col("cap").is_null())
    fresh = rows.filter(~replay & pl.col("cap").is_null()).height + exempt.filter(~replay).height
    # At least one: a row that cannot be kept at all would be missing from every estimate.
    room = max(1, _replays(fresh, settings) - exempt.filter(replay).height)
    checked = apply_caps(
        again.drop("cap").rename({"chance": "_chance"}),
        [Cap("replay_share", pl.lit(0), room)],
        weight=pl.col("_size"),
        draw=pl.col("_draw"),
    ).with_columns(chance=pl.min_horizontal("_chance", "chance"))
    others = rows.filter(~replay | pl.col("cap").is_not_null())
    return pl.concat([others, checked.select(rows.columns)])


def _refused(rows: pl.DataFrame, capped: pl.DataFrame) -> pl.DataFrame:
    outside = rows.filter(pl.col("slice").is_null())
    score = pl.format("score {}", pl.col("failure_score").round(3))
    earlier = pl.when("in_earlier_drop").then(pl.lit("in_earlier_drop")).otherwise(pl.lit("below_threshold"))
    return pl.concat(
        [
            refusals("select", outside, reason=earlier, detail=score.fill_null("")),
            refusals(
                "select", capped, reason=pl.col("cap"), detail=pl.format("rank {}", pl.col("rank").round(3))
            ),
        ]
    )


def _notes(rows: pl.DataFrame, kept: pl.DataFrame) -> dict[str, Any]:
    """Rows per slice, and how many of those that came in and of those that go on are safety-tagged."""
    sizes = dict(kept.group_by("slice").len().iter_rows())
    return {
        "slices": {name: sizes.get(name, 0) for name in SLICES},
        "safety_in": int(rows["safety"].sum()),
        "safety_out": int(kept["safety"].sum()),
    }
