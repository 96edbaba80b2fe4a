"""Pseudonyms, the split and behaviour fingerprints: what the edge derives before anything is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from contracts.events import Behavior
from contracts.pseudonyms import SHARES, SPLIT_PURPOSE, USER_GROUP, hash_in, share_in, version_of
from curation.sampling import drawing

_CACHE: Final = 200_000
_SPLIT_DENOMINATOR: Final = 1 << 64
_LAYERS: Final = len(Behavior.__struct_fields__)


class Identity:
    """Keyed hashes of one deployment. The keys never leave this object.

    A key that replaces another one hashes what the one before made of an id (docs/decisions/27): so what is
    stored can be brought under the new key without knowing whose it is.
    """

    def __init__(self, key: bytes | Sequence[bytes], *, held_out_share: float, seed: int = 0) -> None:
        """`key`: the key, or all of them, the first one first. `seed` of the train/validation split when the
        first key was replaced."""
        keys = [key] if isinstance(key, bytes) else list(key)
        self._held_out = int(held_out_share * _SPLIT_DENOMINATOR)
        self._keys = [hashlib.blake2b(each, digest_size=32).digest() for each in keys]
        self._seed = seed
        self._remember()

    def _remember(self) -> None:
        self.user_key = lru_cache(maxsize=_CACHE)(self._user_key)
        self.split = lru_cache(maxsize=_CACHE)(self._split)
        self._draw = drawing(self._seed, SPLIT_PURPOSE)

    @property
    def version(self) -> int:
        """Number of the newest key."""
        return len(self._keys)

    def adopt(self, other: Identity) -> None:
        """Go on with the keys of another one, in place: everybody who holds this object does."""
        self._keys, self._seed = other._keys, other._seed
        self._remember()

    def __getstate__(self) -> tuple[int, list[bytes], int]:
        """For the processes of a join fleet; it travels through their pipes only."""
        return self._held_out, self._keys, self._seed

    def __setstate__(self, state: tuple[int, list[bytes], int]) -> None:
        self._held_out, self._keys, self._seed = state
        self._remember()

    def raised(self, pseudonym: str, version: int | None = None) -> str:
        """A pseudonym under a later key (default: the newest); as it is when it is of that one or later."""
        first, last = version_of(pseudonym), version or self.version
        if first >= last:
            return pseudonym
        share = share_in(pseudonym) or f"{self._first_share(pseudonym):02d}"
        return f"{last}-{share}-{self._rehashed(hash_in(pseudonym), first, last)}"

    def raised_hash(self, kept: str, version: int | None = None) -> str:
        """A kept hash of an id (`tombstone`) under a later key, as `raised`."""
        first, last = version_of(kept), version or self.version
        return kept if first >= last else f"{last}-{self._rehashed(hash_in(kept), first, last)}"

    def former(self, pseudonym: str, user_id: str) -> list[str]:
        """Pseudonyms of a user under earlier keys than that of `pseudonym`."""
        first = self._hash("user", user_id).hex()
        return [self.raised(first, version) for version in range(1, version_of(pseudonym))]

    def _first_share(self, pseudonym: str) -> int:
        """The hundredth of the train/validation split in which a user under the first key is."""
        return int(self._draw(f"{USER_GROUP}{pseudonym}") * SHARES)

    def _rehashed(self, value: str, first: int, last: int) -> str:
        for key in self._keys[first:last]:
            value = self._hash("rekey", value, key).hex()
        return value

    def placeholder(self, conversation: str, kind: str, value: str) -> int:
        """Number of the placeholder of a redacted value, 1 to 999999: the same in one conversation only."""
        digest = self._hash("placeholder", f"{conversation}\x1f{kind}\x1f{value}", self._keys[-1])
        return 1 + int.from_bytes(digest[:8], "big") % 999_999

    def tombstone(self, kind: str, value: str) -> str:
        """Keyed hash of a session, request or event id of an erased person: 128 bits, hex."""
        return self.raised_hash(self._hash("erased", f"{kind}\x1f{value}").hex())

    def _user_key(self, user_id: str) -> str:
        """Pseudonym of a user id: 128 bits, see `contracts.pseudonyms`."""
        return self.raised(self._hash("user", user_id).hex())

    def _split(self, owner: str) -> str:
        """`train` or `held_out` for the owner of a conversation: the user id, else the session id.

        Always by the first key: nobody changes sides because a key was replaced.
        """
        value = int.from_bytes(self._hash("split", owner)[:8], "big")
        return "held_out" if value < self._held_out else "train"

    def _hash(self, purpose: str, value: str, key: bytes | None = None) -> bytes:
        """Under the first key, unless another one is given."""
        return hashlib.blake2b(
            value.encode(), key=key or self._keys[0], person=purpose.encode(), digest_size=16
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
