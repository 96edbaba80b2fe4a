"""The topics of Tailrace: what they should be, making them, checking them.

The three joined topics need the same partition count, so that a session's events meet on one worker,
and a retention longer than the join's horizon, so that a restarted worker can replay open windows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import kafka.errors
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from contracts import topics
from contracts.errors import SettingsError, TerminalError, TopicsMismatch
from contracts.settings import JoinSettings, KafkaSettings
from streams.kafka_client import open_client, translated
from streams.routing import topic_names

Role = Literal["joined", "input", "output"]

TIMEOUT_SECONDS: Final = 10.0
_HEADROOM_BYTES: Final = 64 << 10
"""Room for key, headers and batch overhead beside a value."""
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be."""

    name: str
    role: Role
    partitions: int
    replication_factor: int
    configs: dict[str, str]


@dataclass(frozen=True, slots=True)
class TopicReport:
    """A topic as it is. `retention_hours` is None when the broker does not say, infinity when unlimited."""

    name: str
    role: Role
    status: Literal["created", "ok"]
    partitions: int
    retention_hours: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """What `apply` or `verify` found, in the order of the plan. `warnings` are sentences for a person."""

    topics: list[TopicReport]
    warnings: list[str] = field(default_factory=list)


def plan(kafka_settings: KafkaSettings) -> list[TopicSpec]:
    """The topics these settings ask for: the inputs, then the outputs.

    Raises `SettingsError` when two topics would share a name.
    """
    names = topic_names(kafka_settings)
    # Values a little too large must still arrive, to be dead-lettered with a reason, not be lost at
    # the producer; and a dead letter carries the original bytes and headers.
    largest = 2 * kafka_settings.max_value_bytes
    specs = []
    for topic in (*topics.INPUT_TOPICS, *topics.OUTPUT_TOPICS):
        role: Role = "output"
        if topic in topics.INPUT_TOPICS:
            role = "joined" if topic in topics.JOINED_TOPICS else "input"
        limit = largest + (2 if topic == topics.DEAD_LETTERS else 1) * _HEADROOM_BYTES
        specs.append(
            TopicSpec(
                name=names.get(topic, topic),
                role=role,
                partitions=kafka_settings.partitions,
                replication_factor=kafka_settings.replication_factor,
                configs={
                    "cleanup.policy": "delete",
                    "retention.ms": str(round(kafka_settings.retention_hours * _HOUR_MS)),
                    "max.message.bytes": str(limit),
                },
            )
        )
    seen: set[str] = set()
    for spec in specs:
        if spec.name in seen:
            raise SettingsError(
                f"two topics are both called {spec.name}",
                hint="Give each of kafka.requests_topic, signals_topic, outcomes_topic and consents_topic "
                "its own name.",
            )
        seen.add(spec.name)
    return specs


def apply(
    kafka_settings: KafkaSettings,
    join: JoinSettings | None = None,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> TopicsReport:
    """Create the missing topics and check the existing ones; running it again changes nothing.

    Raises `SettingsError` when the planned retention is not longer than the join needs,
    `TopicsMismatch` when existing topics do not fit (nothing is created then) or the cluster cannot
    hold the planned ones, `BrokerUnavailable` when no broker answers.
    """
    specs = plan(kafka_settings)
    needed = _needed_hours(join)
    if kafka_settings.retention_hours <= needed:
        raise SettingsError(
            f"kafka.retention_hours is {kafka_settings.retention_hours:g}, "
            f"the join needs more than {needed:g}",
            hint="Raise kafka.retention_hours, or lower join.horizon_minutes.",
        )
    with _admin(kafka_settings, timeout_seconds) as admin, translated(kafka_settings.bootstrap_servers):
        existing = _partition_counts(admin, specs)
        _require_fit(specs, existing)
        missing = [spec for spec in specs if spec.name not in existing]
        created = _create(admin, missing, timeout_seconds) if missing else set()
        # Read back rather than trust: another `apply` may have won the race with other settings.
        existing = _partition_counts(admin, specs)
        _require_fit(specs, existing)
        return _report(admin, specs, existing, needed, created, kafka_settings.retention_hours)


def verify(
    kafka_settings: KafkaSettings,
    join: JoinSettings | None = None,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> TopicsReport:
    """Check, without changing anything, that the worker can run.

    Raises `TopicsMismatch` when an input topic is missing or the joined topics have unequal partition
    counts, `BrokerUnavailable` when no broker answers. A retention that is too short, or a compacted
    topic, is returned in `warnings`: the join still works, but not every restart is safe.
    """
    specs = [spec for spec in plan(kafka_settings) if spec.role != "output"]
    with _admin(kafka_settings, timeout_seconds) as admin, translated(kafka_settings.bootstrap_servers):
        existing = _partition_counts(admin, specs)
        missing = [spec.name for spec in specs if spec.name not in existing]
        if missing:
            raise TopicsMismatch(
                f"missing on the broker: {', '.join(missing)}", hint="Run `tailrace topics apply`."
            )
        _require_equal(specs, existing)
        return _report(admin, specs, existing, _needed_hours(join), set(), None)


def _admin(kafka_settings: KafkaSettings, timeout_seconds: float) -> Any:
    return open_client(
        KafkaAdminClient,
        kafka_settings,
        timeout_seconds=timeout_seconds,
        request_timeout_ms=round(timeout_seconds * 1000),
    )


def _needed_hours(join: JoinSettings | None) -> float:
    return (join.horizon_us + join.lateness_us) / 3_600_000_000 if join else 0.0


def _partition_counts(admin: Any, specs: Iterable[TopicSpec]) -> dict[str, int]:
    """Partition count of each topic that exists."""
    counts = {}
    for found in admin.describe_topics([spec.name for spec in specs]):
        error = kafka.errors.for_code(found["error_code"])
        if error is kafka.errors.UnknownTopicOrPartitionError:
            continue
        if issubclass(error, kafka.errors.AuthorizationError):
            raise error(found["name"])
        counts[found["name"]] = len(found["partitions"])
    return counts


def _require_fit(specs: list[TopicSpec], existing: dict[str, int]) -> None:
    _require_equal(specs, existing)
    for spec in specs:
        count = existing.get(spec.name)
        if spec.role == "joined" and count is not None and count != spec.partitions:
            raise TopicsMismatch(
                f"{spec.name} has {count} partitions, the settings ask for {spec.partitions}",
                hint=f"Set TAILRACE_KAFKA__PARTITIONS={count} to keep the topics as they are. Adding "
                "partitions moves keys: drain the worker and recreate the three joined topics instead.",
            )


def _require_equal(specs: list[TopicSpec], existing: dict[str, int]) -> None:
    counts = {s.name: existing[s.name] for s in specs if s.role == "joined" and s.name in existing}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise TopicsMismatch(
            f"the joined topics need the same partition count: {listed}",
            hint="Recreate the odd one out with the count of the others (stop its producers first), or "
            "point the settings at other topics (kafka.requests_topic, signals_topic, outcomes_topic).",
        )


def _create(admin: Any, missing: list[TopicSpec], timeout_seconds: float) -> set[str]:
    """Create topics and wait until they have leaders; returns the names that we made."""
    wanted = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication_factor,
            "configs": spec.configs,
        }
        for spec in missing
    }
    answer = admin.create_topics(wanted, timeout_ms=round(timeout_seconds * 1000), raise_errors=False)
    created = set()
    for topic in answer["topics"]:
        error = kafka.errors.for_code(topic["error_code"])
        if error is kafka.errors.NoError:
            created.add(topic["name"])
        elif error is kafka.errors.InvalidReplicationFactorError:
            factor = wanted[topic["name"]]["replication_factor"]
            raise TopicsMismatch(
                f"the cluster cannot hold {factor} replicas of {topic['name']}",
                hint="Set TAILRACE_KAFKA__REPLICATION_FACTOR to at most the number of brokers.",
            )
        elif issubclass(error, (kafka.errors.RetriableError, kafka.errors.AuthorizationError)):
            raise error(topic["name"])
        elif error is not kafka.errors.TopicAlreadyExistsError:
            detail = topic.get("error_message") or error.__name__
            raise TerminalError(
                f"the cluster refuses to create {topic['name']}: {detail}",
                hint="Check the names in the kafka settings and the cluster's policies.",
            )
    admin.wait_for_topics(list(wanted), timeout_ms=round(timeout_seconds * 1000))
    return created


def _report(
    admin: Any,
    specs: list[TopicSpec],
    existing: dict[str, int],
    needed_hours: float,
    created: set[str],
    planned_hours: float | None,
) -> TopicsReport:
    configs = _configs(admin, [spec.name for spec in specs])
    reports, warnings = [], []
    for spec in specs:
        config = configs.get(spec.name, {})
        retention = _hours(config.get("retention.ms"))
        notes = []
        if existing[spec.name] != spec.partitions and planned_hours is not None:
            notes.append(f"the settings ask for {spec.partitions} partitions")
        if retention is None:
            notes.append("the broker does not tell its retention")
        elif planned_hours is not None and abs(retention - planned_hours) > 0.001:
            notes.append(f"retention is {retention:g} h, the settings ask for {planned_hours:g} h")
        limit = spec.configs["max.message.bytes"]
        if int(config.get("max.message.bytes", limit)) < int(limit):
            notes.append(f"max.message.bytes is below {limit}: large values will not fit")
        if spec.role == "joined" and retention is not None and retention <= needed_hours:
            warnings.append(
                f"{spec.name} keeps events for {retention:g} h, but the join needs more than "
                f"{needed_hours:g} h: after a restart, events of open windows may be gone. Raise its "
                "retention.ms, or lower join.horizon_minutes."
            )
        if spec.role == "joined" and "compact" in config.get("cleanup.policy", ""):
            warnings.append(
                f"{spec.name} is compacted and loses all but one event of a session: set its "
                "cleanup.policy to delete."
            )
        status: Literal["created", "ok"] = "created" if spec.name in created else "ok"
        count = existing[spec.name]
        reports.append(TopicReport(spec.name, spec.role, status, count, retention, "; ".join(notes)))
    return TopicsReport(reports, warnings)


def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    """Configuration of each topic; empty where the broker has no such API or refuses to tell."""
    # All keys, never a selection: Tansu closes the connection when asked for named keys.
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    try:
        found = admin.describe_configs(resources, config_filter="all").get("topic", {})
    except kafka.errors.KafkaError:
        return {}
    return {
        name: {key: entry["value"] for key, entry in config.items() if entry.get("value") is not None}
        for name, config in found.items()
    }


def _hours(milliseconds: str | None) -> float | None:
    if milliseconds is None:
        return None
    return float("inf") if int(milliseconds) < 0 else int(milliseconds) / _HOUR_MS
