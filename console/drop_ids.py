"""Drops as people name them."""

from __future__ import annotations

from console.options import open_lake
from contracts.errors import DropInvalid
from contracts.settings import Settings
from sinks.drops.publish import registry


def resolve(settings: Settings, drop_id: str) -> str:
    """A registered drop's id; `latest` means the newest. Raises `DropInvalid`."""
    rows = registry(open_lake(settings))
    if drop_id == "latest" and rows.height:
        return str(rows["drop_id"][0])
    if drop_id not in rows["drop_id"]:
        raise DropInvalid(
            f"there is no drop {drop_id}", hint="`tailrace drops list` shows the published ones."
        )
    return drop_id
