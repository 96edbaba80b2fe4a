"""The target of a destination, and which credentials it gets."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from contracts.errors import SettingsError
from contracts.settings import Settings
from sinks.push.destination import Destination
from sinks.push.files import FileTarget
from sinks.push.folder import Folder
from sinks.push.hub import HubTarget
from sinks.push.objects import Objects
from sinks.push.target import Options, Target


def target_for(settings: Settings, destination: Destination, options: Options) -> Target:
    """A target. Raises `SettingsError` when a package is missing, or it is the drops folder itself."""
    if destination.kind == "hub":
        return HubTarget(destination, options)
    if options.private is not None:
        raise SettingsError(
            "--private and --public are for Hugging Face repositories only",
            hint="Who may read a bucket or a folder is decided there.",
        )
    if destination.kind == "object_store":
        return FileTarget(
            Objects(destination.place, options=lake_options(settings, destination.place)), options
        )
    if Path(destination.place).resolve() == settings.drops_root.resolve():
        raise SettingsError("that is the folder the drops are in", hint="Name another one.")
    return FileTarget(Folder(Path(destination.place)), options)


def lake_options(settings: Settings, url: str) -> dict[str, str]:
    """The lake's storage options for a URL in its very bucket; else none: the environment decides.

    Keys of the lake must not reach any other place.
    """
    mine, theirs = urlsplit(settings.lake_root), urlsplit(url)
    same = (mine.scheme, mine.netloc) == (theirs.scheme, theirs.netloc)
    return dict(settings.lake.storage_options) if same and mine.netloc else {}
