"""As `launch`, with the webhook of the environment: settings as JSON show no secrets."""

from __future__ import annotations

import os
import sys
from typing import Any

from pydantic import SecretStr

from contracts.settings import Settings
from tests.streams.reactions import launch

WEBHOOK = "WEBHOOK_OF_TEST"


def main() -> int:
    run, url = launch.run, SecretStr(os.environ[WEBHOOK])

    def run_alerting(settings: Settings, *rest: Any) -> int:
        alerts = settings.alerts.model_copy(update={"webhook": url})
        return run(settings.model_copy(update={"alerts": alerts}), *rest)

    launch.run = run_alerting
    return launch.main()


if __name__ == "__main__":
    sys.exit(main())
