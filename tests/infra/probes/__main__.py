"""Runs every probe on both engines and prints the answers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from infra.apache_kafka import ApacheKafka
from infra.broker import EmbeddedBroker
from tests.brokers import engine_of
from tests.infra.probes import groups, logs

PATIENCE_S = 150.0


def answer(probe: Callable[[str], str], servers: str) -> str:
    """What the probe found, or what went wrong; a broker that does not answer is an answer too."""
    said: list[str] = []

    def ask() -> None:
        try:
            said.append(probe(servers))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            said.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return said[0] if said else f"no answer within {PATIENCE_S:.0f} s"


def main(wanted: list[str]) -> None:
    probes = [p for p in (*logs.PROBES, *groups.PROBES) if not wanted or p.__name__ in wanted]
    with EmbeddedBroker() as tansu, ApacheKafka() as kafka:
        for probe in probes:
            print(f"\n{probe.__name__.replace('_', ' ')}", flush=True)  # noqa: T201 - a command
            for broker in (tansu, kafka):
                found = answer(probe, broker.bootstrap_servers)
                print(f"  {engine_of(broker)}: {found}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
