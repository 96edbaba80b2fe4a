"""Where rebuilt drops lie: below the home folder, out of the way of published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from contracts.settings import Settings

FOLDER: Final = "rebuilt"
"""Below the home folder. It holds texts of users: an erasure deletes it whole."""


def default_place(settings: Settings, drop_id: str) -> Path:
    """Where a drop is rebuilt when nobody says where."""
    return settings.home / FOLDER / drop_id
