"""`kafka.security` of the settings as the credentials Faust hands to aiokafka."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

import faust

from contracts.errors import SettingsError
from streams.kafka_client import security_options

_USABLE: Final = frozenset(
    {
        "security_protocol",
        "sasl_mechanism",
        "sasl_plain_username",
        "sasl_plain_password",
        "ssl_cafile",
        "ssl_certfile",
        "ssl_keyfile",
        "ssl_password",
        "ssl_check_hostname",
    }
)
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def credentials(security: Mapping[str, str]) -> Any:
    """Faust credentials, None for a plaintext cluster.

    Raises `SettingsError` for what Faust cannot do (Kerberos, OAuth, CRL files): leaving a security
    option out in silence would be worse than refusing it.
    """
    options = security_options(security)
    protocol = options.get("security_protocol", "PLAINTEXT")
    mechanism = options.get("sasl_mechanism", "PLAIN")
    refused = sorted(options.keys() - _USABLE)
    if refused or (protocol.startswith("SASL") and mechanism not in _MECHANISMS):
        raise SettingsError(
            f"kafka.security: the reactions cannot use {', '.join(refused) or mechanism}",
            hint=f"SASL mechanisms: {', '.join(_MECHANISMS)}; or run `tailrace worker --only join`.",
        )
    context = _ssl_context(options) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=options.get("sasl_plain_username"),
            password=options.get("sasl_plain_password"),
            mechanism=mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def _ssl_context(options: Mapping[str, Any]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_cafile"))
        context.check_hostname = options.get("ssl_check_hostname", True)
        if "ssl_certfile" in options:
            context.load_cert_chain(
                options["ssl_certfile"], options.get("ssl_keyfile"), options.get("ssl_password")
            )
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"kafka.security: the certificates cannot be read: {error}",
            hint="Check ssl.ca.location, ssl.certificate.location and ssl.key.location.",
        ) from None
    return context
