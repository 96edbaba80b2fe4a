"""Settings: `TAILRACE_*` environment variables over `tailrace.toml` over defaults.

Nested settings use two underscores in the environment (`TAILRACE_KAFKA__BOOTSTRAP_SERVERS`) and
tables in TOML (`[kafka] bootstrap_servers = …`). Unknown settings are refused, never ignored.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as PydanticSettingsError

from contracts import topics
from contracts.errors import SettingsError
from contracts.events import Actor, SignalKind

ENV_PREFIX = "TAILRACE_"
TOML_FILE = "tailrace.toml"
_SEPARATOR = "__"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Section):
    """The cluster and the topics."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="host:port[,host:port…] of the cluster")
    group_id: str = Field("tailrace", min_length=1, description="prefix of the consumer groups")
    partitions: int = Field(4, ge=1, le=1024, description="partitions `topics apply` creates per topic")
    replication_factor: int = Field(1, ge=1, le=9, description="replicas `topics apply` asks for")
    retention_hours: float = Field(
        168, gt=0, description="retention `topics apply` sets; must exceed the join horizon"
    )
    session_timeout_ms: int = Field(45_000, ge=6_000, description="Kafka session timeout, milliseconds")
    instance_id: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9._-]{0,200}$",
        description="name of this worker that outlives a restart: it gets its partitions back and the others "
        "keep theirs, if it is back within the session timeout; unique per running worker; empty: none",
    )
    max_value_bytes: int = Field(1 << 20, ge=1024, description="larger values become dead letters, bytes")
    requests_topic: str = Field(topics.REQUESTS, min_length=1, description="topic of requests")
    signals_topic: str = Field(topics.SIGNALS, min_length=1, description="topic of signals")
    outcomes_topic: str = Field(topics.OUTCOMES, min_length=1, description="topic of outcomes")
    consents_topic: str = Field(topics.CONSENTS, min_length=1, description="topic of consents")
    security: dict[str, str] = Field(
        default_factory=dict,
        description="librdkafka security options, e.g. security.protocol, sasl.username",
    )


class JoinSettings(_Section):
    """The stream join."""

    horizon_minutes: float = Field(30, gt=0, description="how long a request waits for evidence, minutes")
    lateness_seconds: float = Field(60, ge=0, description="disorder the watermark tolerates, seconds")
    idle_seconds: float = Field(
        10, gt=0, description="a topic consumed to its end for this long stops holding the watermark"
    )
    checkpoint_seconds: float = Field(5, gt=0, description="longest time between checkpoints, seconds")
    checkpoint_events: int = Field(50_000, ge=1, description="most events in one checkpoint")
    text_memory_mb: int = Field(
        128, ge=0, description="texts of open windows kept in memory; more go to a scratch file"
    )
    processes: int = Field(
        1, ge=1, le=64, description="processes of one worker, each with a share of the partitions"
    )

    @property
    def horizon_us(self) -> int:
        """The horizon in microseconds."""
        return round(self.horizon_minutes * 60_000_000)

    @property
    def lateness_us(self) -> int:
        """The allowed lateness in microseconds."""
        return round(self.lateness_seconds * 1_000_000)


class LakeSettings(_Section):
    """Where tables and drops lie; empty means inside the home directory."""

    root: str = Field("", description="folder or object-store prefix of the Delta tables")
    drops_root: str = Field("", description="folder of the published drops")
    storage_options: dict[str, str] = Field(
        default_factory=dict, description="deltalake storage options of the lake's store"
    )
    maintenance: bool = Field(
        True, description="the worker that owns partition 0 merges small files and removes replaced ones"
    )
    target_file_mb: int = Field(256, ge=1, le=4096, description="size files are merged up to, MiB")
    rollup_files: int = Field(
        256, ge=0, description="small files a recent day may have before they are merged; 0: leave it alone"
    )
    compact_after_hours: float = Field(
        24, ge=1, description="a day is merged into large files when it has been over for so long"
    )
    retention_days: float = Field(
        30, ge=1, description="replaced files and table versions stay readable for so long"
    )

    @property
    def target_file_bytes(self) -> int:
        """The target file size in bytes."""
        return self.target_file_mb << 20

    @property
    def compact_after_us(self) -> int:
        """The correction horizon of the layout in microseconds."""
        return round(self.compact_after_hours * 3_600_000_000)


RedactionKind = Literal[
    "secret", "credentials", "email", "iban", "card", "national_id", "phone", "ip", "name"
]
"""What is redacted: `credentials` are the user part of URLs, `secret` keys, tokens and passwords."""


class PrivacySettings(_Section):
    """Pseudonyms, the split, and redaction."""

    pseudonym_key: SecretStr | None = Field(
        None, description="key of the user-id hash; without it one is made and kept in the home directory"
    )
    held_out_share: float = Field(
        0.05, ge=0, lt=1, description="share of users whose data is never trained on"
    )
    revocation_days: int = Field(
        90,
        ge=1,
        description="days of requests a revocation marks in the quarantine; older ones it stops all the same",
    )
    redact_at: Literal["curation", "ingress", "off"] = Field(
        "curation",
        description="where personal data leaves the texts: in drops, or before anything is stored at all",
    )
    redact: list[RedactionKind] | None = Field(
        None, description="kinds to redact, e.g. email, phone, secret; none given: all"
    )


class CurationSettings(_Section):
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


class JudgeEndpointSettings(_Section):
    """An LLM judge: where it is, which model, what it charges."""

    base_url: str | None = Field(
        None, description="OpenAI-compatible endpoint, e.g. http://127.0.0.1:8080/v1"
    )
    api_key: SecretStr | None = Field(None, description="key of the endpoint")
    model: str = Field("gpt-4.1-mini", description="judge model")
    input_usd_per_million: float = Field(
        0.0, ge=0, description="price of a million tokens read, US dollars; 0: not known"
    )
    output_usd_per_million: float = Field(
        0.0, ge=0, description="price of a million tokens written, US dollars; 0: not known"
    )


class JudgeSettings(JudgeEndpointSettings):
    """Who confirms failures, how far it is trusted, and what it may spend."""

    kind: Literal["rules", "openai"] = Field("rules", description="evidence rules, or an LLM endpoint")
    panel: list[JudgeEndpointSettings] = Field(
        default_factory=list,
        description="further LLM judges beside the one above: rows they do not agree on go to people",
    )
    mode: Literal["live", "batch"] = Field(
        "live", description="how nightly questions are asked: one by one, or through the Batch API"
    )
    rubric: str = Field("default", description="rubric: the name of a shipped one, or the path of a .md file")
    rubrics: dict[str, str] = Field(
        default_factory=dict, description="rubrics of single features, by feature; the others use `rubric`"
    )
    temperature: float = Field(0.0, ge=0, le=2, description="sampling temperature")
    max_tokens: int = Field(800, ge=16, description="longest verdict, tokens")
    timeout_seconds: float = Field(60, gt=0, description="longest wait for one answer, seconds")
    max_retries: int = Field(4, ge=0, description="retries of a transient failure, per call")
    concurrency: int = Field(
        8, ge=1, le=256, description="most calls in flight; fewer while told to slow down"
    )
    max_calls: int = Field(2_000, ge=0, description="most calls in one run; the rest stays unjudged")
    max_total_tokens: int | None = Field(
        None, ge=0, description="most tokens, read and written, in one run; none given: no limit"
    )
    max_cost_usd: float | None = Field(
        None, ge=0, description="most money in one run, US dollars (needs prices); none given: no limit"
    )
    online_calls_per_hour: int = Field(200, ge=0, description="budget of the online judge, calls")
    online_tokens_per_hour: int | None = Field(
        None, ge=0, description="budget of the online judge, tokens; none given: no limit"
    )
    online_cost_per_hour_usd: float | None = Field(
        None, ge=0, description="budget of the online judge, US dollars; none given: no limit"
    )
    batch_price_share: float = Field(
        0.5, ge=0, le=1, description="what a call through the Batch API costs, as share of the price"
    )
    batch_wait_hours: float = Field(
        12,
        ge=0,
        description="longest wait for batches in one run; what is not there then, a later run fetches",
    )
    alone: Literal["calibrated", "always"] = Field(
        "calibrated",
        description="when an LLM judge decides by itself: once calibrated (until then the evidence must say "
        "the same), or at once",
    )
    min_kappa: float = Field(
        0.6,
        ge=-1,
        le=1,
        description="lower bound (95 %) of Cohen's kappa with gold labels that a judge must reach",
    )
    min_gold: int = Field(50, ge=2, description="fewest gold labels that calibrate a judge")
    same_family: Literal["flag", "refuse"] = Field(
        "flag", description="what to do when a judge rates text of its own model family"
    )
    rewrites: bool = Field(
        True,
        description="whether improvements the judge writes may become pairs (both orders must prefer them)",
    )
    compare: Literal["rewrites", "all"] = Field(
        "rewrites",
        description="pairs the judge compares: those with its own text, or all, for their margins",
    )


class WebSettings(_Section):
    """The worker's web views."""

    host: str = Field("127.0.0.1", description="address to bind; loopback unless told otherwise")
    port: int = Field(6066, ge=0, le=65535, description="port to bind; 0 finds a free one")


class NightlySettings(_Section):
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


class LineageSettings(_Section):
    """OpenLineage run events of every build."""

    transport: Literal["file", "http", "off"] = Field(
        "file", description="where OpenLineage run events go: a file of JSON lines, a server, or nowhere"
    )
    file: str = Field("", description="file of the events; empty: openlineage.jsonl in the drops folder")
    url: str = Field("", description="server of the events, e.g. http://127.0.0.1:5000 (Marquez)")
    api_key: SecretStr | None = Field(None, description="key of that server")
    namespace: str = Field("tailrace", min_length=1, description="namespace of the job in the events")


class AlertSettings(_Section):
    """What is reported at once, and to whom."""

    kinds: list[SignalKind] = Field(
        ["report"], description="signals that are sent to tailrace.alerts as soon as they are read"
    )
    webhook: SecretStr | None = Field(
        None, description="URL that alerts are posted to as JSON; none given: they are only counted and shown"
    )
    per_minute: int = Field(
        6, ge=1, le=600, description="most calls of the webhook per minute; what is more comes summed up"
    )
    timeout_seconds: float = Field(10, gt=0, le=120, description="longest wait for the webhook, seconds")
    max_retries: int = Field(4, ge=0, le=20, description="retries of one call to the webhook")
    max_age_hours: float = Field(
        24, gt=0, description="older reports (a replay, a long outage) are counted, not delivered"
    )
    dead_letter_share: float = Field(
        0.05, gt=0, le=1, description="share of dead letters in five minutes from which an alert is sent"
    )
    dead_letter_minimum: int = Field(
        20, ge=1, description="fewest dead letters in five minutes that are worth an alert"
    )


class RetentionSettings(_Section):
    """How long rows are kept, and how an erasure treats readers."""

    days: dict[str, float] = Field(
        default_factory=dict,
        description="days that rows are kept, by table; `tailrace retention apply` deletes older ones",
    )
    grace_seconds: float = Field(
        30,
        ge=0,
        description="how long an erasure leaves replaced files to readers that have begun, seconds",
    )


class Settings(BaseSettings):
    """All settings of Tailrace."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=_SEPARATOR,
        extra="forbid",
        frozen=True,
    )

    home: Path = Field(Path("tailrace-home"), description="folder of the lake, the drops and the report")
    kafka: KafkaSettings = KafkaSettings()
    join: JoinSettings = JoinSettings()
    lake: LakeSettings = LakeSettings()
    privacy: PrivacySettings = PrivacySettings()
    curation: CurationSettings = CurationSettings()
    judge: JudgeSettings = JudgeSettings()
    web: WebSettings = WebSettings()
    nightly: NightlySettings = NightlySettings()
    lineage: LineageSettings = LineageSettings()
    alerts: AlertSettings = AlertSettings()
    retention: RetentionSettings = RetentionSettings()

    @property
    def lake_root(self) -> str:
        """Root of the Delta tables: a folder or an object-store URL."""
        return self.lake.root or str(self.home / "lake")

    @property
    def batches_root(self) -> Path:
        """Folder in which batches of questions to the judge are remembered while they are out."""
        return self.home / "judge" / "batches"

    @property
    def drops_root(self) -> Path:
        """Folder of the published drops."""
        return Path(self.lake.drops_root) if self.lake.drops_root else self.home / "drops"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings come from, strongest first: arguments, environment, TOML file."""
        toml = TomlConfigSettingsSource(settings_cls, Path(TOML_FILE))
        return init_settings, env_settings, toml


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read settings from the environment and `tailrace.toml` in the working directory.

    `overrides` (e.g. ``{"home": Path(…)}``) win over both. Raises `SettingsError` naming the first
    setting that is unknown or out of range.
    """
    _refuse_unknown_environment()
    try:
        return Settings(**dict(overrides or {}))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        problem = "unknown setting" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise SettingsError(
            f"{name}: {problem}",
            hint=f"Check {TOML_FILE} and the {ENV_PREFIX}* variables; the README lists every setting.",
        ) from None
    except PydanticSettingsError as error:
        # Says which section could not be parsed; the value itself stays out of the message.
        name = str(error).partition('field "')[2].partition('"')[0]
        raise SettingsError(
            f"{name}: not valid JSON",
            hint=f"Settings that are objects or lists are given as JSON in {ENV_PREFIX}* variables.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{TOML_FILE} is not valid TOML: {error}", hint=f"Correct {TOML_FILE}.") from None


def known_names() -> dict[str, str]:
    """Every setting as its environment variable → its description."""
    names = {}
    for field, info in Settings.model_fields.items():
        section = info.annotation
        variable = f"{ENV_PREFIX}{field.upper()}"
        if isinstance(section, type) and issubclass(section, _Section):
            for key, inner in section.model_fields.items():
                names[f"{variable}{_SEPARATOR}{key.upper()}"] = inner.description or ""
        else:
            names[variable] = info.description or ""
    return names


def _refuse_unknown_environment() -> None:
    known = known_names()
    sections = {f"{ENV_PREFIX}{f.upper()}" for f in Settings.model_fields}
    for variable in os.environ:
        name = variable.upper()
        if not name.startswith(ENV_PREFIX) or name in known or name in sections:
            continue
        # dict-valued settings take one more level: TAILRACE_KAFKA__SECURITY__SASL.USERNAME
        parent = name.rpartition(_SEPARATOR)[0]
        if parent in known and _SEPARATOR in parent:
            continue
        raise SettingsError(
            f"unknown setting {variable}",
            hint="Unset it or correct its name; the README lists every setting.",
        )
