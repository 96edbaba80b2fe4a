"""Settings: precedence, and unknown ones refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contracts.errors import SettingsError
from contracts.settings import Settings, known_names, load_settings


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [n for n in os.environ if n.upper().startswith("TAILRACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tailrace.toml"


def test_defaults_need_nothing() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert settings.lake_root == str(Path("tailrace-home") / "lake")


def test_overrides_beat_environment_beats_toml_beats_defaults(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean.write_text(
        '[kafka]\ngroup_id = "toml"\npartitions = 7\nretention_hours = 5\n[join]\nhorizon_minutes = 3'
    )
    monkeypatch.setenv("TAILRACE_KAFKA__GROUP_ID", "env")
    monkeypatch.setenv("TAILRACE_KAFKA__PARTITIONS", "8")
    settings = load_settings({"kafka": {"partitions": 9}})
    kafka = settings.kafka
    assert (kafka.partitions, kafka.group_id, kafka.retention_hours) == (9, "env", 5)
    assert (settings.join.horizon_us, settings.join.lateness_us) == (180_000_000, 60_000_000)
    assert kafka.replication_factor == 1


def test_security_options_keep_their_dots_and_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_KAFKA__SECURITY__SASL.USERNAME", "Me")
    monkeypatch.setenv("TAILRACE_CURATION__LICENSES", '["MIT"]')
    settings = load_settings()
    assert settings.kafka.security == {"sasl.username": "Me"}
    assert settings.curation.licenses == ["MIT"]


@pytest.mark.parametrize(
    "name",
    [
        "TAILRACE_HOEM",
        "TAILRACE_KAFKA__GROUP",
        "tailrace_kafka__group",
        "TAILRACE_HOME__X",
        "TAILRACE_WEB_PORT",
    ],
)
def test_unknown_variables_are_refused_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("toml", "name"),
    [
        ("[kafka]\ngroup = 'x'", "kafka.group"),
        ("hoem = 'x'", "hoem"),
        ("[kafka]\npartitions = 0", "kafka.partitions"),
        ("[kafka]\npartitions = 'many'", "kafka.partitions"),
        ("kafka = 1", "kafka"),
        ("[kafka]\ngroup_id = ", "tailrace.toml"),
        (b"home = '\xff'", "tailrace.toml"),
    ],
)
def test_bad_toml_is_refused_by_name(toml: str | bytes, name: str, clean: Path) -> None:
    clean.write_bytes(toml.encode() if isinstance(toml, str) else toml)
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("TAILRACE_KAFKA__PARTITIONS", "0", "kafka.partitions"),
        ("TAILRACE_KAFKA__PARTITIONS", "many", "kafka.partitions"),
        ("TAILRACE_CURATION__LICENSES", "MIT", "curation.licenses"),
        ("TAILRACE_KAFKA", "{SECRET", "kafka"),
        ("TAILRACE_KAFKA__SECURITY", "SECRET", "kafka"),
    ],
)
def test_bad_values_are_refused_by_name_without_the_value(
    variable: str, value: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert "SECRET" not in str(caught.value)


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_PRIVACY__PSEUDONYM_KEY", "hunter2")
    settings = load_settings()
    assert "hunter2" not in f"{settings} {settings!r}"
    assert settings.privacy.pseudonym_key is not None
    assert settings.privacy.pseudonym_key.get_secret_value() == "hunter2"


def test_every_setting_has_a_variable() -> None:
    names = known_names()
    assert {"TAILRACE_HOME", "TAILRACE_KAFKA__BOOTSTRAP_SERVERS", "TAILRACE_JOIN__HORIZON_MINUTES"} <= set(
        names
    )
    assert len(names) == len(set(names)) > 40
