"""Adapters: recorded human dialogues in other formats, told as the events a product would have sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from streams.adapters import hh_rlhf, oasst
from streams.adapters.session import AdapterOptions
from streams.recordings import RawEvent

Adapter = Callable[[Path, AdapterOptions], Iterator[RawEvent]]

ADAPTERS: Final[dict[str, Adapter]] = {"hh_rlhf": hh_rlhf.events, "oasst": oasst.events}
"""Format name → adapter. An adapter reads a file line by line and yields events in order of time."""

__all__ = ["ADAPTERS", "Adapter", "AdapterOptions"]
