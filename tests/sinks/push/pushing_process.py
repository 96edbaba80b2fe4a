"""A push in a process of its own, to be killed: home folder, drop id, destination."""

from __future__ import annotations

import sys
from pathlib import Path

from contracts.settings import Settings
from sinks.lake import Lake
from sinks.push.destination import parse
from sinks.push.run import prepare, push
from sinks.push.target import Options
from sinks.push.targets import target_for

if __name__ == "__main__":
    home, drop, where = sys.argv[1:]
    settings = Settings(home=Path(home))
    lake, place = Lake(settings.lake_root), parse(where)
    push(lake, prepare(lake, settings.drops_root, drop), place, target_for(settings, place, Options()))
