"""Open kafka-python clients the way Tailrace needs them: bounded, quiet, with our errors.

kafka-python serves administration and the emitter; the bulk loop uses confluent-kafka. The settings
name security options as librdkafka does, so they are translated here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import kafka.errors
from kafka.net.compat import KafkaNetClient

from contracts.errors import BrokerUnavailable, SettingsError, TailraceError, TerminalError
from contracts.settings import KafkaSettings

Client = TypeVar("Client")

_OPTIONS: Final = {
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "sasl.kerberos.service.name": "sasl_kerberos_service_name",
    "ssl.ca.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
    "ssl.crl.location": "ssl_crlfile",
}
_REFUSALS: Final = (
    kafka.errors.AuthorizationError,
    kafka.errors.SaslAuthenticationFailedError,
    kafka.errors.UnsupportedSaslMechanismError,
    kafka.errors.IllegalSaslStateError,
)


def security_options(security: Mapping[str, str]) -> dict[str, Any]:
    """kafka-python options for `kafka.security` of the settings. Raises `SettingsError` for one it
    has no counterpart for: ignoring a security option would be worse than refusing it."""
    options: dict[str, Any] = {}
    for name, value in security.items():
        if name == "ssl.endpoint.identification.algorithm":
            options["ssl_check_hostname"] = value.lower() not in ("", "none")
        elif name in _OPTIONS:
            upper = name in ("security.protocol", "sasl.mechanism", "sasl.mechanisms")
            options[_OPTIONS[name]] = value.upper() if upper else value
        else:
            raise SettingsError(
                f"kafka.security: {name} is not supported",
                hint=f"Supported: {', '.join(sorted(_OPTIONS))}, ssl.endpoint.identification.algorithm.",
            )
    return options


def open_client(
    factory: Callable[..., Client],
    kafka_settings: KafkaSettings,
    *,
    bootstrap_servers: str | list[str] | None = None,
    timeout_seconds: float = 10,
    **options: Any,
) -> Client:
    """Build a kafka-python client (`KafkaProducer`, `KafkaAdminClient`), connected.

    Raises `BrokerUnavailable` when no broker answers within `timeout_seconds`, `SettingsError` for
    options the client does not take.
    """
    servers = bootstrap_servers or kafka_settings.bootstrap_servers
    made: list[Any] = []

    def network(**configs: Any) -> Any:
        client = KafkaNetClient(**configs)
        made.append(client)
        # kafka-python 3.0 does not hand the producer's allow_auto_create_topics on; a topic created by
        # a metadata request would have the broker's default partition count and break the join.
        client.cluster.config["allow_auto_create_topics"] = False
        return client

    arguments = {
        "bootstrap_servers": servers,
        "bootstrap_timeout_ms": round(timeout_seconds * 1000),
        "reconnect_backoff_max_ms": 1000,
        "kafka_client": network,
        **security_options(kafka_settings.security),
        **options,
    }
    try:
        return factory(**arguments)
    except Exception as error:
        # The constructor gives no handle on a client that failed to connect; its I/O thread would stay.
        for client in made:
            with contextlib.suppress(Exception):
                client.close()
            with contextlib.suppress(Exception):
                client._manager._net.stop()
        if isinstance(error, kafka.errors.KafkaTimeoutError):
            raise unavailable(servers) from None
        if isinstance(error, kafka.errors.KafkaError):
            raise translate(error, servers) from None
        if isinstance(error, (ValueError, RuntimeError, OSError)):
            raise SettingsError(
                f"the Kafka client does not accept its options: {error}",
                hint="Check kafka.bootstrap_servers (host:port[,host:port…]) and kafka.security.",
            ) from None
        raise


def unavailable(servers: str | list[str]) -> BrokerUnavailable:
    """The error for a cluster that does not answer."""
    names = servers if isinstance(servers, str) else ",".join(servers)
    return BrokerUnavailable(
        f"no Kafka broker answers at {names}",
        hint="Start one (`tailrace broker` for development), or set TAILRACE_KAFKA__BOOTSTRAP_SERVERS; "
        "with security configured, check kafka.security too.",
    )


def translate(error: Exception, servers: str | list[str]) -> TailraceError:
    """A kafka-python error as ours: transient when the broker may come back, terminal otherwise."""
    name = type(error).__name__
    if isinstance(error, _REFUSALS):
        return TerminalError(
            f"the Kafka cluster refused us: {name}",
            hint="Check kafka.security and the rights (ACLs) of this user.",
        )
    if isinstance(error, kafka.errors.RetriableError):
        return unavailable(servers)
    return TerminalError(
        f"the Kafka cluster answered {name}", hint="The broker's log says more about the cause."
    )


@contextlib.contextmanager
def translated(servers: str | list[str]) -> Iterator[None]:
    """Turn kafka-python's errors inside the block into ours."""
    try:
        yield
    except kafka.errors.KafkaError as error:
        raise translate(error, servers) from error
