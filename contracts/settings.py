"""Settings: `TAILRACE_*` environment variables over `tailrace.toml` over defaults.

Nested settings use two underscores in the environment (`TAILRACE_KAFKA__BOOTSTRAP_SERVERS`) and
tables in TOML (`[kafka] bootstrap_servers = …`). Unknown settings are refused, never ignored.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as PydanticSettingsError

from contracts.errors import SettingsError
from contracts.sections.base import Section
from contracts.sections.curation import CurationSettings, NightlySettings
from contracts.sections.judge import JudgeEndpointSettings, JudgeSettings
from contracts.sections.lake import (
    LakeSettings,
    LineageSettings,
    PrivacySettings,
    RedactionKind,
    RetentionSettings,
)
from contracts.sections.stream import AlertSettings, JoinSettings, KafkaSettings, WebSettings

__all__ = [
    "AlertSettings",
    "CurationSettings",
    "JoinSettings",
    "JudgeEndpointSettings",
    "JudgeSettings",
    "KafkaSettings",
    "LakeSettings",
    "LineageSettings",
    "NightlySettings",
    "PrivacySettings",
    "RedactionKind",
    "RetentionSettings",
    "Settings",
    "WebSettings",
    "known_names",
    "load_settings",
]

ENV_PREFIX = "TAILRACE_"
TOML_FILE = "tailrace.toml"
_SEPARATOR = "__"


class Settings(BaseSettings):
    """All settings of Tailrace."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=_SEPARATOR,
        extra="forbid",
        frozen=True,
    )

    home: Path = Field(Path("tailrace-home"), description="folder of the lake, the drops and the report")
    kafka: KafkaSettings = KafkaSettings()
    join: JoinSettings = JoinSettings()
    lake: LakeSettings = LakeSettings()
    privacy: PrivacySettings = PrivacySettings()
    curation: CurationSettings = CurationSettings()
    judge: JudgeSettings = JudgeSettings()
    web: WebSettings = WebSettings()
    nightly: NightlySettings = NightlySettings()
    lineage: LineageSettings = LineageSettings()
    alerts: AlertSettings = AlertSettings()
    retention: RetentionSettings = RetentionSettings()

    @property
    def lake_root(self) -> str:
        """Root of the Delta tables: a folder or an object-store URL."""
        return self.lake.root or str(self.home / "lake")

    @property
    def batches_root(self) -> Path:
        """Folder in which batches of questions to the judge are remembered while they are out."""
        return self.home / "judge" / "batches"

    @property
    def drops_root(self) -> Path:
        """Folder of the published drops."""
        return Path(self.lake.drops_root) if self.lake.drops_root else self.home / "drops"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings come from, strongest first: arguments, environment, TOML file."""
        toml = TomlConfigSettingsSource(settings_cls, Path(TOML_FILE))
        return init_settings, env_settings, toml


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read settings from the environment and `tailrace.toml` in the working directory.

    `overrides` (e.g. ``{"home": Path(…)}``) win over both. Raises `SettingsError` naming the first
    setting that is unknown or out of range.
    """
    _refuse_unknown_environment()
    try:
        return Settings(**dict(overrides or {}))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        problem = "unknown setting" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise SettingsError(
            f"{name}: {problem}",
            hint=f"Check {TOML_FILE} and the {ENV_PREFIX}* variables; the README lists every setting.",
        ) from None
    except PydanticSettingsError as error:
        # Says which section could not be parsed; the value itself stays out of the message.
        name = str(error).partition('field "')[2].partition('"')[0]
        raise SettingsError(
            f"{name}: not valid JSON",
            hint=f"Settings that are objects or lists are given as JSON in {ENV_PREFIX}* variables.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{TOML_FILE} is not valid TOML: {error}", hint=f"Correct {TOML_FILE}.") from None


def known_names() -> dict[str, str]:
    """Every setting as its environment variable → its description."""
    names = {}
    for field, info in Settings.model_fields.items():
        section = info.annotation
        variable = f"{ENV_PREFIX}{field.upper()}"
        if isinstance(section, type) and issubclass(section, Section):
            for key, inner in section.model_fields.items():
                names[f"{variable}{_SEPARATOR}{key.upper()}"] = inner.description or ""
        else:
            names[variable] = info.description or ""
    return names


def _refuse_unknown_environment() -> None:
    known = known_names()
    sections = {f"{ENV_PREFIX}{f.upper()}" for f in Settings.model_fields}
    for variable in os.environ:
        name = variable.upper()
        if not name.startswith(ENV_PREFIX) or name in known or name in sections:
            continue
        # dict-valued settings take one more level: TAILRACE_KAFKA__SECURITY__SASL.USERNAME
        parent = name.rpartition(_SEPARATOR)[0]
        if parent in known and _SEPARATOR in parent:
            continue
        raise SettingsError(
            f"unknown setting {variable}",
            hint="Unset it or correct its name; the README lists every setting.",
        )
