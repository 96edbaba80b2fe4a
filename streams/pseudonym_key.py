"""The key of the user-id hash: from the settings, or made once and kept in the home directory."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from contracts.errors import SettingsError
from contracts.settings import Settings
from streams.identity import Identity

KEY_FILE: Final = "pseudonym.key"


def load_key(settings: Settings) -> bytes:
    """Key of the pseudonyms. Losing or changing it breaks the link between old and new events.

    Workers on several machines must share one: set `privacy.pseudonym_key`. Raises `SettingsError`
    when the home directory cannot hold the key.
    """
    configured = settings.privacy.pseudonym_key
    if configured is not None:
        key = configured.get_secret_value().encode()
        if not key:
            raise SettingsError("privacy.pseudonym_key is empty", hint="Give it a long random value.")
        return key
    path = Path(settings.home) / KEY_FILE
    try:
        return _read_or_make(path)
    except OSError as error:
        raise SettingsError(
            f"the pseudonym key {path} cannot be read or written: {error.strerror}",
            hint="Choose another --home, correct its permissions, or set TAILRACE_PRIVACY__PSEUDONYM_KEY.",
        ) from None


def make_identity(settings: Settings) -> Identity:
    """The keyed hashes of a deployment. Raises `SettingsError` as `load_key` does."""
    return Identity(load_key(settings), held_out_share=settings.privacy.held_out_share)


def _read_or_make(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Exclusive: of two workers that start together, one makes the key and the other reads it.
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_hex(32).encode())
    except FileExistsError:
        pass
    key = path.read_bytes()
    if not key:
        raise SettingsError(
            f"the pseudonym key {path} is empty", hint="Delete it if no events were stored with it."
        )
    return key
