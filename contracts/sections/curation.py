"""Settings of curation: what may enter a drop, and when it is built."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.events import Actor
from contracts.sections.base import Section


class CurationSettings(Section):
    """What may enter a drop."""

    purpose: str = Field("training", description="consent scope a row needs")
    actors: list[Actor] = Field(
        ["user"], min_length=1, description="who may be learned from: user, internal, synthetic"
    )
    unknown_consent: Literal["refuse", "allow"] = Field(
        "refuse", description="what to do with rows whose consent was never recorded"
    )
    licenses: list[str] | None = Field(
        None, description="allowed licences; rows naming another are refused; none given: all"
    )
    unknown_license: Literal["refuse", "allow"] = Field(
        "refuse", description="what to do with rows that name no licence, when only some are allowed"
    )
    regions: list[str] | None = Field(
        None,
        description="allowed deployment regions (residency); rows of another are refused; none given: all",
    )
    unknown_region: Literal["refuse", "allow"] = Field(
        "refuse", description="what to do with rows that name no region, when only some are allowed"
    )
    failure_threshold: float = Field(0.5, ge=0, le=1, description="score from which a request is a failure")
    control_share: float = Field(
        0.02, ge=0, le=1, description="random share of the other requests, kept as control slice"
    )
    replay_share: float = Field(
        0.05, ge=0, le=0.9, description="share of a selection that earlier drops held already, put in again"
    )
    safety_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="random share of safety-tagged requests below the threshold, kept as slice",
    )
    safety_finish_classes: list[str] = Field(
        ["filtered", "refusal"], description="ways to end that tag a request as safety"
    )
    safety_features: list[str] = Field([], description="features whose requests are safety-tagged")
    safety_reports: bool = Field(True, description="whether a user's report tags a request as safety")
    safety_attributes: list[str] = Field(
        [], description="request attributes, `key` or `key=value`, that tag a request as safety"
    )
    max_per_user: int = Field(200, ge=0, description="most rows of one user in a drop; 0: no cap")
    max_per_fingerprint: int = Field(
        0, ge=0, description="most rows of one behaviour fingerprint in a drop; 0: no cap"
    )
    max_per_segment: int = Field(0, ge=0, description="most rows of one segment in a drop; 0: no cap")
    segment_columns: list[str] = Field(
        ["region"], description="columns of interactions that make, with the feature, a segment"
    )
    max_per_feature: int = Field(0, ge=0, description="most rows of one feature in a drop; 0: no cap")
    rank_sharpness: float = Field(
        2.0, ge=0, le=16, description="how strongly caps prefer high ranks: 0 blindly, 1 in proportion"
    )
    novelty_reference: int = Field(
        4_096, ge=0, description="prompts of earlier drops that novelty is measured against; 0: all are new"
    )
    near_duplicate: float = Field(
        0.8, gt=0, le=1, description="Jaccard similarity of word shingles from which rows are near duplicates"
    )
    target_family: str = Field(
        "", description="family or name of the model to be trained; its own chosen answers are capped"
    )
    self_approval_share: float = Field(
        0.25, ge=0, le=1, description="most of a drop whose chosen side the target family wrote; 1: no cap"
    )
    length_balance: float | None = Field(
        None,
        ge=0.5,
        lt=1,
        description="most of the pairs whose chosen side is the longer one; none given: as they come",
    )
    validation_share: float = Field(
        0.05, ge=0, lt=1, description="share of users whose rows are for validation, not for training"
    )
    edit_ratio_min: float = Field(0.05, ge=0, le=1, description="edits of unknown class below are cosmetic")
    edit_ratio_max: float = Field(0.9, ge=0, le=1, description="edits above are a new text, not a correction")
    weights: str = Field(
        "", description="file with the weights of the score; empty: score/weights.json in the home folder"
    )
    seed: int = Field(17, description="seed of every random choice in curation")
    channel: str = Field("default", description="channel whose LATEST pointer a drop moves")


class NightlySettings(Section):
    """The nightly build: when and where it runs."""

    enabled: bool = Field(False, description="build a drop on the schedule below")
    cron: str = Field("30 2 * * *", description="when, as a cron expression in UTC")
    heartbeat_seconds: float = Field(
        30,
        gt=0,
        description="how often a build says that it lives; after four silent ones another takes over",
    )
    catch_up_hours: float = Field(
        48, ge=0, description="how old a missed night may be to be made up for; the newest one only"
    )
    max_attempts: int = Field(
        5, ge=1, le=50, description="builds of one night before it is given up; pauses between them double"
    )
    engine: Literal["local", "ray"] = Field(
        "local", description="where a build works on texts: in its own process, or as Ray tasks"
    )
    ray_address: str = Field("", description="Ray cluster to use; empty: one on this machine")
