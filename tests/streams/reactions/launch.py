"""Runs a worker as the command line does: typed errors end as message and hint, never as a traceback.

`python -m tests.streams.reactions.launch SETTINGS_JSON ROLE…`
"""

from __future__ import annotations

import logging
import sys

from contracts.errors import TailraceError
from contracts.settings import Settings
from sinks.lake import Lake
from streams.identity import Identity
from streams.reactions.worker import run

KEY = b"test"


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = Settings.model_validate_json(sys.argv[1])
    identity = Identity(KEY, held_out_share=0.0)
    try:
        return run(settings, Lake(settings.lake_root), identity, frozenset(sys.argv[2:]))
    except TailraceError as error:
        sys.stderr.write(f"error: {error}\nhint: {error.hint}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
