"""Fixtures every test may use: a real broker, and the shared data where it is there."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import TerminalError
from contracts.settings import KafkaSettings
from infra.broker import EmbeddedBroker, broker_binary


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    """One embedded broker for the whole run. It keeps everything in memory: use fresh topic names."""
    try:
        broker_binary()
    except TerminalError as error:
        pytest.skip(f"no embedded broker here: {error} ({error.hint})")
    with EmbeddedBroker() as started:
        yield started


@pytest.fixture
def kafka_settings(broker: EmbeddedBroker) -> Callable[..., KafkaSettings]:
    """Settings for the broker with input topics no other test uses; options override."""

    def make(**options: Any) -> KafkaSettings:
        tag = uuid.uuid4().hex[:10]
        fresh = {
            "bootstrap_servers": broker.bootstrap_servers,
            "group_id": f"test-{tag}",
            "session_timeout_ms": 6_000,
            **{f"{name}_topic": f"{name}-{tag}" for name in ("requests", "signals", "outcomes", "consents")},
        }
        return KafkaSettings(**{**fresh, **options})

    return make


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared test data (SHARED_DATA, else shared/data beside the checkout)."""
    named = os.environ.get("SHARED_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set SHARED_DATA")
    return folder
