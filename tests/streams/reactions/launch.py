"""Runs a worker as the command line does: typed errors end as message and hint, never as a traceback.

`python -m tests.streams.reactions.launch SETTINGS_JSON ROLE…`; `FAULT` names a fault to plant (`faults`).
"""

from __future__ import annotations

import logging
import os
import sys

from pydantic import SecretStr

from contracts.errors import TailraceError
from contracts.settings import Settings
from sinks.lake import Lake
from streams.identity import Identity
from streams.process import leave
from streams.reactions.worker import run
from tests.streams.reactions import faults

KEY = b"test"

SECRET = "planted-secret"
"""In every setting that may hold one: no web view may show it."""


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = _with_secrets(Settings.model_validate_json(sys.argv[1]))
    identity = Identity(KEY, held_out_share=0.0)
    faults.plant(os.environ.get("FAULT", ""))
    try:
        return run(settings, Lake(settings.lake_root), identity, frozenset(sys.argv[2:]))
    except TailraceError as error:
        sys.stderr.write(f"error: {error}\nhint: {error.hint}\n")
        return 1


def _with_secrets(settings: Settings) -> Settings:
    judge = settings.judge.model_copy(update={"api_key": SecretStr(SECRET)})
    privacy = settings.privacy.model_copy(update={"pseudonym_key": SecretStr(SECRET)})
    lake = settings.lake.model_copy(update={"storage_options": {"AWS_SECRET_ACCESS_KEY": SECRET}})
    kafka = settings.kafka.model_copy(update={"security": {"sasl.password": SECRET}})
    return settings.model_copy(update={"judge": judge, "privacy": privacy, "lake": lake, "kafka": kafka})


if __name__ == "__main__":
    leave(main())
