"""Settings of the Kafka edge: topics, join, alerts, web views."""

from __future__ import annotations

from pydantic import Field, SecretStr

from contracts import topics
from contracts.events import SignalKind
from contracts.sections.base import Section


class KafkaSettings(Section):
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


class JoinSettings(Section):
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


class AlertSettings(Section):
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


class WebSettings(Section):
    """The worker's web views."""

    host: str = Field("127.0.0.1", description="address to bind; loopback unless told otherwise")
    port: int = Field(6066, ge=0, le=65535, description="port to bind; 0 finds a free one")
