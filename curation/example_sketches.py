"""Rows of `example_sketches`: what a drop leaves behind for the drops after it."""

from __future__ import annotations

import polars as pl

from curation.novelty import embed, pack, question
from curation.sketches import ALGORITHM, Sketches
from curation.texts.embeddings import StaticEmbeddings


def sketch_rows(
    rows: pl.DataFrame, sketched: pl.Series, sketches: Sketches, model: StaticEmbeddings
) -> pl.DataFrame:
    """Sketch rows of a drop's final rows, without `drop_id`.

    rows: `example_id`, `prompt` (JSON turns), `user_key`, `request_ids`, `date`. sketched: the sorted example
    ids that `sketches` are of; there may be more of them than `rows`.
    """
    places = sketched.search_sorted(rows["example_id"]).to_numpy()
    questions = [question(turns) for turns in rows["prompt"]]
    return rows.select("example_id", "user_key", "request_ids", "date").with_columns(
        algorithm=pl.lit(ALGORITHM),
        embedding_model=pl.lit(model.name),
        embedding=pack(embed(model, questions)),
        **sketches.take(places).columns(),
    )
