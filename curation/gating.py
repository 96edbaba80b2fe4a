"""The first half of the nightly build: every gate before the judge.

1. eligible: who and what may be learned from (no texts);
2. texts: those of the failures, of a random control and of accepted answers are fetched and made ready,
   bucket by bucket (`text_work`), here or as Ray tasks;
3. select: which failures, within caps (no texts);
4. contamination: nothing of a registered eval set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from contracts.settings import CurationSettings, Settings
from curation import candidates, pairs
from curation.buckets import Buckets, bucket_count, fill, with_bucket
from curation.contamination.index import ContaminationIndex
from curation.contamination.step import contamination_step
from curation.contamination.traffic import load_index
from curation.eligibility import eligible
from curation.novelty import Whole, reference
from curation.redaction import Redactor
from curation.redaction.step import make_redactor
from curation.selection import select, with_slices
from curation.sources import Sources, Workplace
from curation.steps import Funnel
from curation.text_work import TextResult, TextWork
from curation.texts.embeddings import StaticEmbeddings


@dataclass(frozen=True)
class Gated:
    """Candidates that passed every gate before the judge.

    rows: without texts, with `bucket`. accepted: eligible rows whose answer users took, in the same form.
    index: the eval sets in force. eligible: `request_id`, `feature`, `safety` of what passed the first gate.
    redaction: what was redacted, for the manifest.
    """

    rows: pl.DataFrame
    eligible: pl.DataFrame
    accepted: pl.DataFrame
    texts: Buckets
    index: ContaminationIndex
    redaction: dict[str, object]
    funnel: Funnel

    def with_texts(self, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Rows with their ready texts, a frame per bucket; rows whose texts were not wanted are left out."""
        for bucket in range(len(self.texts)):
            mine = rows.filter(pl.col("bucket") == bucket)
            ready = pl.read_parquet(self.texts.ready(bucket)).drop("session_id", "occurred_at")
            yield mine.join(ready, on="request_id", how="inner", maintain_order="left")


def gate_candidates(sources: Sources, everything: Settings, place: Workplace) -> Gated:
    """Everything before the judge; writes texts to the workplace's scratch folder and nothing else."""
    settings, redactor = everything.curation, make_redactor(everything.privacy)
    lake, versions, as_of = sources.lake, sources.versions, sources.as_of
    funnel = Funnel(place.clock)
    funnel.start()
    more = ["attributes"] if settings.safety_attributes else []
    rows = candidates.load_candidates(lake, versions, as_of, more)
    consents = candidates.load_consents(lake, versions, as_of)
    fit = funnel.record(eligible(rows, consents, settings))
    del rows
    fit = with_slices(_in_earlier_drop(fit, sources), settings)
    wanted = _with_text_wanted(fit)
    count = bucket_count(wanted.height)
    fit = with_bucket(fit, count)
    edits = candidates.last_edits(wanted, candidates.load_edits(lake, versions, as_of, settings.actors))
    texts = fill(lake, versions["requests"], with_bucket(wanted, count), edits, place.scratch, count)
    funnel.spend("texts")
    index = load_index(lake, sources.evals, versions, as_of)
    funnel.spend("contamination")
    known = known_prompts(sources, settings)
    funnel.spend("select")
    found = _make_ready(texts, TextWork(index, known, redactor), place)
    funnel.start()
    funnel.add(found.seconds)
    fit = fit.join(edits.select("request_id", "edit_id"), on="request_id", how="left", maintain_order="left")
    fit = fit.join(found.novelty, on="request_id", how="left", maintain_order="left")
    chosen = funnel.record(select(fit, settings))
    chosen = funnel.record(
        contamination_step(chosen, index, sources.released, hits=_numbered(found.hits, chosen))
    )
    return Gated(
        rows=chosen,
        eligible=fit.select("request_id", "feature", "safety"),
        accepted=fit.filter(pairs.accepted_answer()),
        texts=texts,
        index=index,
        redaction=redaction(redactor, found, wanted.height),
        funnel=funnel,
    )


def redaction(redactor: Redactor | None, found: TextResult, rows: int) -> dict[str, object]:
    """The manifest's `redaction`: spans replaced by kind in all texts read, never what was there."""
    if redactor is None:
        return {"version": None}
    return {
        "version": redactor.transform,
        "rows_read": rows,
        "rows_redacted": found.redacted_rows,
        "spans": dict(sorted(found.redactions.items())),
    }


def _in_earlier_drop(fit: pl.DataFrame, sources: Sources) -> pl.DataFrame:
    """Rows marked with whether they made a row of an earlier drop."""
    examples = sources.lake.scan("examples").filter(pl.col("drop_id").is_in(list(sources.earlier)))
    # Near duplicates of a row are held by it: selected again, they would be refused again every night.
    ids = pl.col("request_ids").list.concat(pl.col("cluster_request_ids").fill_null([]))
    held = examples.select(request_ids=ids.explode()).unique().collect()["request_ids"]
    return fit.with_columns(in_earlier_drop=pl.col("request_id").is_in(held.implode()))


def known_prompts(sources: Sources, settings: CurationSettings) -> Whole | None:
    """The prompts of earlier drops that novelty is measured against; None when there are none."""
    if not sources.earlier or not settings.novelty_reference:
        return None
    return reference(
        sources.sketches(), StaticEmbeddings.load(), size=settings.novelty_reference, seed=settings.seed
    )


def _numbered(hits: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Hits whose key is the number of the row instead of its request id."""
    numbers = rows.select(key="request_id", number=pl.int_range(pl.len()).cast(pl.String))
    return hits.join(numbers, on="key", how="inner").with_columns(key="number").select(hits.columns)


def _with_text_wanted(fit: pl.DataFrame) -> pl.DataFrame:
    """Rows whose texts may be needed: those of the slices, and answers taken in sessions with one of them."""
    wanted = pl.col("slice").is_not_null()
    sessions = fit.filter(wanted)["session_id"].unique()
    taken = pairs.accepted_answer().fill_null(value=False) & pl.col("session_id").is_in(sessions.implode())
    return fit.filter(wanted | taken)


def _make_ready(texts: Buckets, work: TextWork, place: Workplace) -> TextResult:
    """Do the work on every bucket; what it found in all of them, and the time it took."""
    places = [(texts.raw(bucket), texts.ready(bucket)) for bucket in range(len(texts))]
    done, total = 0, sum(texts.counts)
    found = TextResult()
    hits, novelty = [found.hits], [found.novelty]
    for bucket, result in enumerate(place.engine.map(work, places)):
        hits.append(result.hits)
        novelty.append(result.novelty)
        found.add_counts(result)
        done += texts.counts[bucket]
        place.progress("reading texts", done, total)
    found.hits, found.novelty = pl.concat(hits), pl.concat(novelty)
    return found
