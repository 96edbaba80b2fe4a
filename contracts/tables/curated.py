"""Gold: curated rows and the rows that were refused, per drop."""

from __future__ import annotations

import polars as pl

from contracts.tables.base import Strings, Table, Time, column, optional

SOURCE_TYPES = ["production_log", "human_annotation", "synthetic", "user_correction"]
EXAMPLE_KINDS = ["preference", "unpaired"]
SLICES = ["failure", "safety", "control", "replay"]
VERDICT_SOURCES = ["judge", "evidence", "human"]
SPLITS = ["train", "validation"]
PAIR_SOURCES = ["user_edit", "regenerate_accept", "judge_rewrite", "one_sided"]


class Examples(Table):
    """One curated training row of a drop with everything an auditor asks about it."""

    drop_id: str = column("drop the row was published in")
    example_id: str = column("hash of the row's content")
    kind: str = column("preference or unpaired", isin=EXAMPLE_KINDS)
    pair_source: str = column("which evidence made the row", isin=PAIR_SOURCES)
    request_ids: Strings = column("requests the row was made from, the failing one first")
    evidence_ids: Strings = column("events that decided it")
    session_id: str = column("conversation the row came from")
    user_key: str = optional("pseudonym of the user")
    occurred_at: Time = column("when the (failing) request was made")
    date: pl.Date = column("UTC day of occurred_at; partition of the table")
    feature: str = column("product feature")
    source_type: str = column("where the text came from", isin=SOURCE_TYPES)
    slice: str = column("why it was selected, see curation.selection", isin=SLICES)
    consent_scope: str = column("consent the row needed")
    consent_policy_version: str = optional("policy version of that consent")
    consent_as_of: Time = column("time at which consent was last checked")
    license: str = optional("licence of the content")
    transforms: Strings = column("ordered transforms with versions, e.g. normalize@1")
    judge_epoch: str = column("judge epoch of the verdict behind the row")
    guideline_version: str = optional("guideline, when people labelled it")
    fingerprint: str = column("behaviour fingerprint of the failing request")
    model: str = optional("model that wrote the failing response")
    base_model: str = optional("its base model")
    failure_score: float = column("failure score at selection time", ge=0.0, le=1.0)
    score_version: str = column("version of that score")
    label: bool = optional("unpaired rows: desirable or not")
    safety: bool = optional("the failing request is safety-tagged")
    inclusion_probability: float = optional(
        "chance with which its (failing) request was selected, times that of later random caps",
        ge=0.0,
        le=1.0,
    )
    design_weight: float = optional(
        "eligible requests the row stands for: sum of 1 / inclusion probability over its cluster", ge=0.0
    )
    novelty: float = optional("distance to the prompts of earlier drops, 0 to 1", ge=0.0, le=1.0)
    cluster_id: str = optional("cluster of near duplicates the row was kept from: its own example_id")
    cluster_size: pl.Int32 = optional("rows of that cluster, this one included", ge=1)
    cluster_request_ids: Strings = optional("requests behind the rows of that cluster")
    self_approved: bool = optional("the family to be trained wrote the chosen side")
    judge_family_match: bool = optional("a judge's own model family wrote what it judged or compared")
    judge_preference: str = optional(
        "what the pairwise judge said of the pair in both orders; null when nobody compared it",
        isin=["chosen", "rejected", "tie", "inconsistent", "split"],
    )
    verdict_source: str = optional("who vouches for the verdict", isin=VERDICT_SOURCES)
    split: str = optional("train or validation, see curation.group_split", isin=SPLITS)


class ExampleSketches(Table):
    """What later drops compare their rows with: near duplicates and novelty, without any text."""

    drop_id: str = column("drop the row was published in")
    example_id: str = column("hash of the row's content")
    user_key: str = optional("pseudonym of the user")
    request_ids: Strings = column("requests the row was made from, the failing one first")
    date: pl.Date = column("UTC day of the failing request; partition of the table")
    algorithm: str = column("rules the sketch was made by; only equal ones are compared")
    bands: pl.Binary = column("25 LSH buckets, little endian uint64")
    prompt_signature: pl.Binary = column("MinHash of the conversation, 128 little endian uint16")
    chosen_signature: pl.Binary = column("MinHash of the chosen side, as above")
    rejected_signature: pl.Binary = column("MinHash of the rejected side, as above")
    embedding_model: str = column("static embeddings the vector was made with")
    embedding: pl.Binary = column("vector of the last question, little endian int16")


class Preferences(Table):
    """Text of the preference pairs of a drop; provenance is in `examples` under the same id."""

    drop_id: str = column("drop the row was published in")
    example_id: str = column("hash of the row's content")
    prompt: str = column("shared turns, JSON list as in contracts.chat")
    chosen: str = column("preferred turns, JSON list as in contracts.chat")
    rejected: str = column("dispreferred turns, JSON list as in contracts.chat")
    rejected_request_id: str = column("request whose output is the rejected side")
    chosen_request_id: str = optional("request whose output is the chosen side; null for user edits")
    date: pl.Date = column("UTC day of the failing request; partition of the table")
    tools: str = optional("functions offered to the model, JSON list; null when there were none")
    margin: float = optional(
        "how much better the pairwise judge finds the chosen side in both orders, 0 to 1; below 0 it prefers "
        "the other; null when nobody compared",
        ge=-1.0,
        le=1.0,
    )


class Quarantine(Table):
    """Rows a gate refused, with the gate, the reason and the evidence."""

    drop_id: str = column("drop the row was refused from")
    stage: str = column("step of the nightly build that refused it")
    reason: str = column("reason code")
    kind: str = column("what was refused: interaction, preference or unpaired")
    pair_source: str = optional("which evidence would have made the row")
    request_ids: Strings = column("requests the row would have been made from")
    detail: str = column("evidence behind the refusal, without user text")
    quarantine_id: str = optional(
        "hash of stage, reason, requests and what was matched: the same refusal has the same id every night; "
        "null in rows written before there were ids"
    )
    evidence: str = optional("what a gate found, JSON without user text: matches with place and score")
    date: pl.Date = column("UTC day of the failing request; partition of the table")
    refused_at: Time = column("as-of time of the drop")
