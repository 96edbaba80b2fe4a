"""The weights file: where a fitted score is kept, and the one place that says which score is in force.

The file is JSON, written as a whole or not at all. `version` is the hash of what makes the score; a file
whose weights were changed by hand, or that belongs to other evidence than this version of Tailrace reads, is
refused: its scores would be called by the wrong name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.errors import SettingsError, WeightsInvalid
from contracts.settings import Settings
from curation.scoring import DEFAULT_MODEL, SHAPE, ScoreModel, evidence

FORMAT: Final = 1
FOLDER: Final = "score"
FILE: Final = "weights.json"


class WeightsFile(msgspec.Struct, kw_only=True):
    """What a weights file holds. `fit` says how the weights were found (`curation.fitting.report`)."""

    format: int
    version: str
    origin: str
    intercept: float
    weights: dict[str, float]
    shape: list[float]
    fit: dict[str, Any] = {}


def weights_path(settings: Settings) -> Path:
    """Where the weights in force lie, or would lie: `curation.weights`, else in the home folder."""
    named = settings.curation.weights
    return Path(named) if named else settings.home / FOLDER / FILE


def resolve_model(settings: Settings) -> ScoreModel:
    """The score in force: the weights file's, or the priors where there is none.

    Raises `SettingsError` when the file that the settings name does not exist, and `WeightsInvalid` when a
    file cannot be used.
    """
    path = weights_path(settings)
    if path.is_file():
        return read_weights(path)
    if settings.curation.weights:
        raise SettingsError(
            f"curation.weights: {path} is not a file",
            hint="Correct the path, write it with `tailrace score fit --out`, or leave the setting empty.",
        )
    return DEFAULT_MODEL


def read_weights(path: Path) -> ScoreModel:
    """The score of a weights file. Raises `WeightsInvalid`."""
    again = "Fit again (`tailrace score fit`), or move the file away to go back to the priors."
    try:
        content = msgspec.json.decode(path.read_bytes(), type=WeightsFile)
    except OSError as error:
        raise WeightsInvalid(
            f"{path} cannot be read: {error.strerror}", hint="Check its permissions."
        ) from None
    except msgspec.DecodeError as error:
        raise WeightsInvalid(f"{path} is no weights file: {error}", hint=again) from None
    if content.format != FORMAT:
        raise WeightsInvalid(f"{path} has format {content.format}, not {FORMAT}", hint=again)
    if content.shape != list(SHAPE) or set(content.weights) != set(evidence()):
        raise WeightsInvalid(f"{path} was fitted to other evidence than this version reads", hint=again)
    model = ScoreModel(
        weights=content.weights,
        intercept=content.intercept,
        origin=content.origin,
        fitted_on=_fitted_on(content.fit),
    )
    if model.version != content.version:
        raise WeightsInvalid(
            f"{path} says {content.version} but its weights make {model.version}",
            hint=f"Changed by hand? Give it the version it makes, or: {again[0].lower()}{again[1:]}",
        )
    return model


def _fitted_on(fit: Mapping[str, Any]) -> dict[str, Any] | None:
    """The labels of a fit; None where the file, of an older release, does not tell them apart."""
    if "labels_sha256" not in fit:
        return None
    return {"source": fit["labels"], "count": fit["labels_count"], "sha256": fit["labels_sha256"]}


def encode_weights(model: ScoreModel, fit: Mapping[str, Any]) -> bytes:
    """The bytes of a weights file: the same for the same model and fit."""
    content = WeightsFile(
        format=FORMAT,
        version=model.version,
        origin=model.origin,
        intercept=model.intercept,
        weights=dict(sorted(model.weights.items())),
        shape=list(SHAPE),
        fit=dict(fit),
    )
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def install(path: Path, content: bytes) -> None:
    """Put a file in place, whole or not at all. Raises `WeightsInvalid` when that is impossible."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise WeightsInvalid(
            f"{path} cannot be written: {error.strerror}", hint="Choose another path, or its permissions."
        ) from None
