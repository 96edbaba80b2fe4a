"""Pseudonyms, the split and fingerprints."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Behavior
from contracts.pseudonyms import PATTERN, hash_in, version_of
from contracts.settings import CurationSettings
from curation.group_split import with_split
from streams.identity import Identity, fingerprint

LAYERS = "model_version prompt_name prompt_version tools_hash context_hash agent_version base_model adapter"


def test_pseudonyms_depend_on_the_key_and_nothing_else() -> None:
    one, same, other = (Identity(k, held_out_share=0.5) for k in (b"k1", b"k1", b"k2"))
    assert one.user_key("alice") == same.user_key("alice") != other.user_key("alice")
    assert one.user_key("alice") != one.user_key("bob")
    assert "alice" not in one.user_key("alice")
    assert len(one.user_key("alice")) == 32
    assert Identity(b"k1", held_out_share=0.0).user_key("alice") == one.user_key("alice")


@given(st.text(min_size=1, max_size=20).filter(lambda s: s.isprintable()), st.binary(max_size=100))
def test_any_id_and_key_is_hashed(user: str, key: bytes) -> None:
    identity = Identity(key, held_out_share=0.3)
    assert identity.user_key(user) == identity.user_key(user)
    assert identity.split(user) in {"train", "held_out"}


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_the_held_out_share_is_kept(share: float) -> None:
    identity = Identity(b"k", held_out_share=share)
    held = sum(identity.split(f"u{i}") == "held_out" for i in range(4000)) / 4000
    assert held == pytest.approx(share, abs=0.02)
    assert share > 0 or held == 0


def test_a_larger_share_only_adds_to_the_held_out() -> None:
    small, large = (Identity(b"k", held_out_share=share) for share in (0.1, 0.4))
    users = [f"u{i}" for i in range(500)]
    assert {u for u in users if small.split(u) == "held_out"} < {
        u for u in users if large.split(u) == "held_out"
    }


def test_the_split_does_not_follow_from_the_pseudonym_of_another_key() -> None:
    one, other = (Identity(k, held_out_share=0.5) for k in (b"a", b"b"))
    users = [f"u{i}" for i in range(200)]
    assert [one.split(u) for u in users] != [other.split(u) for u in users]


def test_every_layer_changes_the_fingerprint() -> None:
    plain = fingerprint("p", "m", Behavior())
    changed = [fingerprint("p", "m", Behavior(**{layer: "x"})) for layer in LAYERS.split()]
    found = {plain, *changed, fingerprint("p2", "m", Behavior()), fingerprint("p", "m2", Behavior())}
    assert len(found) == len(LAYERS.split()) + 3


def test_absent_is_not_empty_and_neighbours_do_not_mix() -> None:
    assert fingerprint("p", "m", Behavior(adapter="")) != fingerprint("p", "m", Behavior())
    assert fingerprint("p", "m", Behavior(prompt_name="ab")) != fingerprint(
        "p", "m", Behavior(prompt_name="a", prompt_version="b")
    )


def test_no_behaviour_is_behaviour_with_nothing_in_it() -> None:
    assert fingerprint("p", "m", None) == fingerprint("p", "m", Behavior())


KEYS = st.lists(st.binary(min_size=1, max_size=64), min_size=2, max_size=4, unique=True)
IDS = st.text(min_size=1, max_size=40)


@given(KEYS, IDS, st.integers(0, 99))
def test_what_is_stored_and_what_comes_in_meet_under_every_later_key(
    keys: list[bytes], user: str, seed: int
) -> None:
    first = Identity(keys[0], held_out_share=0.3)
    stored = first.user_key(user)
    kept = first.tombstone("session", user)
    for count in range(2, len(keys) + 1):
        known = Identity(keys[:count], held_out_share=0.3, seed=seed)
        incoming = known.user_key(user)
        # From the key before, and from the first one in one go.
        assert known.raised(stored) == known.raised(first.user_key(user)) == incoming
        assert known.raised_hash(kept) == known.tombstone("session", user)
        assert known.former(incoming, user)[-1] == stored
        assert known.raised(incoming) == incoming
        assert version_of(incoming) == count
        assert PATTERN.fullmatch(incoming)
        assert known.split(user) == first.split(user)
        stored, kept = incoming, known.tombstone("session", user)


@given(KEYS, IDS)
def test_without_the_newest_key_nobody_is_found(keys: list[bytes], user: str) -> None:
    now = Identity(keys, held_out_share=0.0).user_key(user)
    for count in range(1, len(keys)):
        assert hash_in(Identity(keys[:count], held_out_share=0.0).user_key(user)) != hash_in(now)
    assert hash_in(Identity(keys[1:], held_out_share=0.0).user_key(user)) != hash_in(now)


@given(st.lists(IDS, min_size=1, max_size=20, unique=True), st.integers(0, 50), st.integers(0, 99))
def test_nobody_changes_between_train_and_validation(users: list[str], seed: int, hundredths: int) -> None:
    settings = CurationSettings(validation_share=hundredths / 100, seed=seed)
    sides = []
    for keys in ([b"one"], [b"one", b"two"], [b"one", b"two", b"three"]):
        known = Identity(keys, held_out_share=0.0, seed=seed)
        rows = pl.DataFrame({"user_key": [known.user_key(user) for user in users], "session_id": users})
        sides.append(with_split(rows, settings)["split"].to_list())
    assert sides[0] == sides[1] == sides[2]
