"""Options that several commands share, and how they become settings."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import SettingsError
from contracts.settings import Settings, load_settings

if TYPE_CHECKING:
    from sinks.lake import Lake
    from streams.identity import Identity

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="Folder of the lake, the drops and the report (default: ./tailrace-home).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]
Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers",
        metavar="HOST:PORT",
        help="Kafka to talk to (default: kafka.bootstrap_servers of the settings).",
        show_default=False,
    ),
]


def settings_for(home: Path | None = None, bootstrap: str | None = None, **sections: Any) -> Settings:
    """Settings from environment and file, with what the command line says on top.

    `sections` maps a section's name to the fields to change, e.g. ``join={"idle_seconds": 1}``.
    """
    settings = load_settings({"home": home} if home is not None else None)
    if bootstrap is not None:
        sections = {**sections, "kafka": {"bootstrap_servers": bootstrap, **sections.get("kafka", {})}}
    changed = {name: getattr(settings, name).model_copy(update=fields) for name, fields in sections.items()}
    return settings.model_copy(update=changed)


def lake_at(settings: Settings) -> Lake:
    """The lake of the settings, whether it exists or not."""
    # Half a second to import, and not every command opens a lake.
    from sinks.lake import Lake
    from streams.pseudonym_key import make_identity

    return Lake(
        settings.lake_root,
        storage_options=settings.lake.storage_options,
        stores=settings.lake.stores,
        hashes=partial(make_identity, settings),
    )


def open_lake(settings: Settings, *, create: bool = False) -> Lake:
    """The lake of the settings. Raises `TerminalError` when it does not exist and is not to be made."""
    lake = lake_at(settings)
    if create:
        lake.create(settings.lake)
        return lake
    return lake.require()


def identity_for(settings: Settings, lake: Lake, *, may_make_key: bool = False) -> Identity:
    """The keyed hashes of a deployment, under the key its lake is under.

    Raises `KeyOutdated` or `RotationPending` when it is under another one, `SettingsError` when there is none
    and `may_make_key` is false: looked up by ids of the wrong key nobody would be found, and "nothing is held
    of this person" must not rest on a key made just now.
    """
    from streams.pseudonym_key import KEY_FILE, make_identity

    key = settings.home / KEY_FILE
    if not (may_make_key or settings.privacy.pseudonym_key is not None or key.is_file()):
        raise SettingsError(
            f"there is no pseudonym key at {key}, so nobody can be found",
            hint="Point --home at the home of the workers, or set TAILRACE_PRIVACY__PSEUDONYM_KEY to theirs.",
        )
    lake.pseudonyms.check(lake.table("erasures"))
    return make_identity(settings)


def require_file(path: Path) -> Path:
    """Refuse a path that is not a readable file, in words."""
    if not path.is_file():
        raise SettingsError(f"{path} is not a file", hint="Check the path.")
    return path
