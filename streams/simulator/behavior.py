"""Behaviour versions and when they were rolled out."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from contracts.events import Behavior
from streams.simulator.config import SimulationConfig
from streams.simulator.grammar import Feature
from streams.simulator.texts import FEATURES

MODELS = ("aurora-large-2025-01", "aurora-large-2025-02")


@dataclass(frozen=True, slots=True)
class Version:
    """One state of one feature. `since_us` is UTC microseconds."""

    since_us: int
    behavior: Behavior
    name: str
    system: str
    failure_rate: float
    regressed: bool


def _digest(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode()).hexdigest()[:16]


class Rollouts:
    """Which version of a feature answered at a given moment."""

    def __init__(self, config: SimulationConfig) -> None:
        span = config.end_us - config.start_us
        # both ordinary releases are harmless, so that "new" is not the same as "worse"
        new_prompt = config.start_us + int(span * 0.15)
        new_model = config.start_us + int(span * 0.3)
        mean = sum(f.difficulty for f in FEATURES.values()) / len(FEATURES)
        self._versions: dict[str, list[Version]] = {}
        for name, feature in FEATURES.items():
            rate = min(1.0, config.failure_rate * feature.difficulty / mean)
            steps = [
                (config.start_us, MODELS[0], "v1", 0, rate, False),
                (new_prompt, MODELS[0], "v2", 1, rate, False),
                (new_model, MODELS[1], "v2", 1, rate, False),
            ]
            if name == config.regressed_feature:
                moment, worse = config.regression_us, config.regressed_failure_rate
                model = MODELS[1] if moment >= new_model else MODELS[0]
                steps = [s for s in steps if s[0] < moment]
                steps.append((moment, model, "v3", -1, worse, True))
            self._versions[name] = [_version(feature, *step) for step in steps]

    def at(self, feature: str, time_us: int) -> Version:
        """The version live at that moment, UTC microseconds."""
        versions = self._versions[feature]
        for version in reversed(versions):
            if version.since_us <= time_us:
                return version
        return versions[0]


def _version(
    feature: Feature,
    since_us: int,
    model: str,
    prompt_version: str,
    system: int,
    rate: float,
    regressed: bool,
) -> Version:
    text = feature.system[system]
    behavior = Behavior(
        model_version=model,
        prompt_name=feature.name,
        prompt_version=prompt_version,
        tools_hash=_digest(feature.tool or "no tools"),
        context_hash=_digest(feature.name, text),
    )
    return Version(since_us, behavior, f"{model}|{feature.name}@{prompt_version}", text, rate, regressed)
