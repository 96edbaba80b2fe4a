"""The test server, started once; every test gets a fresh state of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.curation.judge.batch_server import BatchServer
from tests.curation.judge.server import FakeServer, Host, hosted


@pytest.fixture(scope="session")
def judge_host() -> Iterator[Host]:
    with hosted() as host:
        yield host


@pytest.fixture
def server(judge_host: Host) -> FakeServer:
    judge_host.server = FakeServer(base_url=judge_host.base_url)
    return judge_host.server


@pytest.fixture
def batches(server: FakeServer) -> BatchServer:
    """The same server with a Batch API."""
    batches = BatchServer(server)
    server.batch_api = batches
    return batches
