"""Pseudonyms, the split and behaviour fingerprints: what the edge derives before anything is stored."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

import msgspec

from contracts.events import Behavior

_CACHE: Final = 200_000
_SPLIT_DENOMINATOR: Final = 1 << 64
_LAYERS: Final = len(Behavior.__struct_fields__)


class Identity:
    """Keyed hashes of one deployment. The key never leaves this object."""

    def __init__(self, key: bytes, *, held_out_share: float) -> None:
        self._held_out = int(held_out_share * _SPLIT_DENOMINATOR)
        self._key = hashlib.blake2b(key, digest_size=32).digest()
        self._remember()

    def _remember(self) -> None:
        self.user_key = lru_cache(maxsize=_CACHE)(self._user_key)
        self.split = lru_cache(maxsize=_CACHE)(self._split)

    def __getstate__(self) -> tuple[int, bytes]:
        """For the processes of a join fleet; it travels through their pipes only."""
        return self._held_out, self._key

    def __setstate__(self, state: tuple[int, bytes]) -> None:
        self._held_out, self._key = state
        self._remember()

    def placeholder(self, conversation: str, kind: str, value: str) -> int:
        """Number of the placeholder of a redacted value, 1 to 999999: the same in one conversation only."""
        digest = self._hash("placeholder", f"{conversation}\x1f{kind}\x1f{value}")
        return 1 + int.from_bytes(digest[:8], "big") % 999_999

    def tombstone(self, kind: str, value: str) -> str:
        """Keyed hash of a session, request or event id of an erased person: 128 bits, hex."""
        return self._hash("erased", f"{kind}\x1f{value}").hex()

    def _user_key(self, user_id: str) -> str:
        """Pseudonym of a user id: 128 bits, hex."""
        return self._hash("user", user_id).hex()

    def _split(self, owner: str) -> str:
        """`train` or `held_out` for the owner of a conversation: the user id, else the session id."""
        value = int.from_bytes(self._hash("split", owner)[:8], "big")
        return "held_out" if value < self._held_out else "train"

    def _hash(self, purpose: str, value: str) -> bytes:
        return hashlib.blake2b(
            value.encode(), key=self._key, person=purpose.encode(), digest_size=16
        ).digest()


@lru_cache(maxsize=_CACHE)
def _fingerprint(layers: tuple[str | None, ...]) -> str:
    text = "\x1f".join("" if layer is None else f"={layer}" for layer in layers)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def fingerprint(provider: str | None, model: str | None, behavior: Behavior | None) -> str:
    """Behaviour fingerprint: 64-bit hex hash of the layers that decide behaviour.

    Layers: provider, model, model version, prompt name and version, tools, runtime context, agent
    version, base model, adapter. Absent layers count as absent, not as empty.
    """
    layers = (None,) * _LAYERS if behavior is None else msgspec.structs.astuple(behavior)
    return _fingerprint((provider, model, *layers))
