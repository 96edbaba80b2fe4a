"""The recipe of a drop: all that building it again takes, kept in its registry row.

It is not in the manifest, because a build that was killed while publishing and begins anew may read newer
versions that hold the same (its own rows among them), and must still give the same bytes. `about` needs no
seal: the drop's id is its hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

import msgspec

from sinks.drops.manifest import stable_hash

LIBRARIES: Final = ("polars", "pyarrow", "numpy", "wordllama", "msgspec", "jinja2", "pyyaml")
"""Libraries whose version may change the bytes of a drop: those that write files and calculate."""

IDENTITY: Final = (
    *("as_of", "inputs", "transforms", "evals", "releases", "earlier_drops", "config", "config_hash"),
    *("score_version", "judge", "authority", "code_version"),
)
"""Parts of a manifest that a drop is a function of."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What a drop was built from.

    about: its identity (JSON types). reads: Delta version of every table a rebuild reads, `judgments` as it
    was when the last verdict was in; null: not created yet. unjudged: hash of the questions that stayed
    without a verdict (`unjudged.build`), and how many they are. labels: hash of the labels of people in
    force. fitted_on: the labels the score was fitted on, as the manifest has them. redact: kinds of personal
    data that were redacted, null when none. made_with: versions of `LIBRARIES`.
    """

    about: dict[str, Any]
    reads: dict[str, int | None]
    unjudged: str = ""
    unjudged_count: int = 0
    labels: str = ""
    fitted_on: dict[str, Any] | None = None
    redact: list[str] | None = None
    made_with: dict[str, str] = {}


def encode(recipe: Recipe) -> str:
    """The recipe as the registry keeps it."""
    return msgspec.json.encode(recipe, order="deterministic").decode()


def decode(stored: str) -> Recipe:
    """A recipe from the registry. Raises `msgspec.DecodeError`."""
    return msgspec.json.decode(stored, type=Recipe)


def from_manifest(manifest: Mapping[str, Any]) -> Recipe:
    """What the manifest of a drop without a recipe says: its inputs' versions, and no others."""
    about = {name: manifest[name] for name in IDENTITY if name in manifest}
    fitted_on = manifest.get("labels", {}).get("score_fitted_on")
    return Recipe(about=about, reads=dict(manifest["inputs"]), fitted_on=fitted_on)


def drop_id_of(about: Mapping[str, Any]) -> str:
    """The id of a drop, from its identity."""
    as_of = about["as_of"]
    moment = as_of if isinstance(as_of, datetime) else datetime.fromisoformat(as_of)
    return f"{moment:%Y%m%d}-{stable_hash([about['config']['channel'], about])[:12]}"


def libraries() -> dict[str, str]:
    """Installed versions of `LIBRARIES`."""
    return {name: version(name) for name in LIBRARIES}


def plain(about: Mapping[str, Any]) -> dict[str, Any]:
    """An identity in JSON types."""
    return msgspec.json.decode(msgspec.json.encode(about, order="sorted"), type=dict[str, Any])
