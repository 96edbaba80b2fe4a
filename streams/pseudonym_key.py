"""The keys of the user-id hash: from the settings, or made once and kept in the home directory."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.errors import SettingsError
from contracts.settings import Settings
from streams.identity import Identity

KEY_FILE: Final = "pseudonym.key"


@dataclass(frozen=True)
class KeyRing:
    """Keys of the pseudonyms, the first one first; see `Identity` for `seed`. Never shown."""

    keys: tuple[bytes, ...] = field(repr=False)
    seed: int = 0
    file: Path | None = None

    @property
    def version(self) -> int:
        """Number of the newest key."""
        return len(self.keys)


def load_ring(settings: Settings) -> KeyRing:
    """Keys of the pseudonyms. Losing or changing one breaks the link between old and new events.

    Workers on several machines must share them: set `privacy.pseudonym_key` and, once it was replaced,
    `privacy.previous_pseudonym_keys`. Raises `SettingsError` when the home directory cannot hold the key.
    """
    privacy = settings.privacy
    if privacy.pseudonym_key is not None:
        given = [*privacy.previous_pseudonym_keys, privacy.pseudonym_key]
        keys = tuple(key.get_secret_value().encode() for key in given)
        if not all(keys):
            raise SettingsError("privacy.pseudonym_key is empty", hint="Give it a long random value.")
        if len(set(keys)) < len(keys):
            raise SettingsError(
                "privacy.pseudonym_key is also among privacy.previous_pseudonym_keys",
                hint="Each key of the list once, and none of them again.",
            )
        return KeyRing(keys, privacy.pseudonym_seed)
    path = Path(settings.home) / KEY_FILE
    try:
        return _read_or_make(path, settings.curation.seed)
    except OSError as error:
        raise SettingsError(
            f"the pseudonym key {path} cannot be read or written: {error.strerror}",
            hint="Choose another --home, correct its permissions, or set TAILRACE_PRIVACY__PSEUDONYM_KEY.",
        ) from None


def make_identity(settings: Settings) -> Identity:
    """The keyed hashes of a deployment. Raises `SettingsError` as `load_ring` does."""
    ring = load_ring(settings)
    return Identity(ring.keys, held_out_share=settings.privacy.held_out_share, seed=ring.seed)


def add_key(ring: KeyRing) -> KeyRing:
    """The ring with one more key, kept in its file, which only its owner can read.

    Raises `SettingsError` when the keys come from the settings or the file cannot be written.
    """
    if ring.file is None:
        raise SettingsError(
            "the pseudonym key comes from the settings",
            hint="Add it to privacy.previous_pseudonym_keys, set privacy.pseudonym_key to a new long random "
            "value, and run this again with these settings.",
        )
    grown = KeyRing((*ring.keys, secrets.token_hex(32).encode()), ring.seed, ring.file)
    content = {"keys": [key.decode() for key in grown.keys], "seed": grown.seed}
    beside = ring.file.with_name(f".{ring.file.name}.new")
    try:
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(msgspec.json.encode(content))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(ring.file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise SettingsError(
            f"the pseudonym key {ring.file} cannot be written: {error.strerror}",
            hint="Correct the permissions of the home directory.",
        ) from None
    return grown


def _read_or_make(path: Path, seed: int) -> KeyRing:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Exclusive: of two workers that start together, one makes the key and the other reads it.
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_hex(32).encode())
    except FileExistsError:
        pass
    content = path.read_bytes()
    if not content:
        raise SettingsError(
            f"the pseudonym key {path} is empty", hint="Delete it if no events were stored with it."
        )
    if not content.startswith(b"{"):
        return KeyRing((content,), seed, path)
    try:
        known = msgspec.json.decode(content, type=dict[str, Any])
        return KeyRing(tuple(key.encode() for key in known["keys"]), int(known["seed"]), path)
    except (msgspec.DecodeError, KeyError, AttributeError, TypeError, ValueError):
        raise SettingsError(
            f"the pseudonym keys in {path} cannot be read", hint="Restore the file from a backup."
        ) from None
