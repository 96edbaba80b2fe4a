"""Where the LLM judge lives: address, provider, and which key may be sent there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from contracts.errors import SettingsError
from contracts.settings import JudgeEndpointSettings

OPENAI_BASE_URL: Final = "https://api.openai.com/v1"

# Local servers ask for no key, but the client must send something.
_NO_KEY: Final = SecretStr("none")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible endpoint: its address without trailing slash, and the key to send.

    ``provider`` is ``openai`` or host[:port].
    """

    base_url: str
    api_key: SecretStr
    provider: str

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI itself."""
        return self.base_url == OPENAI_BASE_URL

    @classmethod
    def from_settings(cls, settings: JudgeEndpointSettings) -> Self:
        """The endpoint the settings name; OpenAI itself without a base URL.

        `OPENAI_API_KEY` is used for OpenAI only, never sent to another base URL. Raises
        `SettingsError` when the URL is unusable or OpenAI would be called without a key.
        """
        base_url, provider = read_url(settings.base_url or OPENAI_BASE_URL)
        key = settings.api_key
        if key is None or not key.get_secret_value():
            key = _ambient_key() if base_url == OPENAI_BASE_URL else _NO_KEY
        return cls(base_url=base_url, api_key=key, provider=provider)


def read_url(base_url: str) -> tuple[str, str]:
    """The URL in its plain form (no trailing slash), and the provider it stands for.

    Raises `SettingsError` when it is no http(s) URL, or carries credentials or a query: the HTTP
    client logs addresses, and the epoch names them in every manifest.
    """
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host:
        raise SettingsError(
            "judge.base_url: not an http(s) URL", hint="Give it like http://127.0.0.1:8080/v1."
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            "judge.base_url: credentials and queries are not allowed in it",
            hint="Give the key as judge.api_key and the bare address as judge.base_url.",
        )
    netloc = f"[{host}]" if ":" in host else host
    netloc = f"{netloc}:{port}" if port else netloc
    plain = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
    return plain, "openai" if plain == OPENAI_BASE_URL else netloc


def _ambient_key() -> SecretStr:
    ambient = os.environ.get("OPENAI_API_KEY")
    if not ambient:
        raise SettingsError(
            "judge.api_key: needed for api.openai.com",
            hint="Set TAILRACE_JUDGE__API_KEY, or judge.base_url to another OpenAI-compatible server.",
        )
    return SecretStr(ambient)
