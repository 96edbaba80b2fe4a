"""A pytest plugin: which broker each test module ran on, and which tests found none.

A test ran on a broker when it, or a fixture it uses, started one in this process or handed one over.
Brokers that a command under test starts in its own process are not seen: such a test says so with
``@pytest.mark.runs_on("…")``. What was seen travels with the test's report, so that it is counted in one
place even when the tests run in several processes (pytest-xdist).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator
from typing import Any, Final

import pytest

from infra.apache_kafka import ApacheKafka
from infra.broker import EmbeddedBroker
from tests.brokers import NO_APACHE_KAFKA, NO_TANSU, engine_of

_PROPERTY: Final = "broker"


class BrokerReport:
    """Notes what starts while fixtures are set up and tests run; prints a section at the end."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._at_work: list[object] = []
        self._notes: dict[object, set[str]] = defaultdict(set)

    def note(self, broker: EmbeddedBroker | ApacheKafka) -> None:
        """Something that is at work now has got this broker."""
        if self._at_work:
            self._notes[self._at_work[-1]].add(engine_of(broker))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, object, object]:
        self._notes.pop(fixturedef, None)
        self._at_work.append(fixturedef)
        try:
            value = yield
            if isinstance(value, EmbeddedBroker | ApacheKafka):
                self.note(value)
            return value
        finally:
            self._at_work.pop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        self._at_work.append(item)
        try:
            return (yield)
        finally:
            self._at_work.pop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        report = yield
        found: set[str] = set()
        if report.skipped:
            reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
            reason = reason.removeprefix("Skipped: ")
            if reason.startswith((NO_APACHE_KAFKA, NO_TANSU)):
                found = {f"not run: {reason}"}
        elif report.when == "call":
            found = self._engines(item)
        report.user_properties += [(_PROPERTY, engine) for engine in sorted(found)]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, engine in report.user_properties:
            if name == _PROPERTY:
                self.counts[str(engine)][report.nodeid.split("::")[0]] += 1

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.counts:
            terminalreporter.section("brokers")
            for line in self.lines():
                terminalreporter.write_line(line)

    def lines(self) -> list[str]:
        """Engines in the order of their names, under each its modules and their numbers of tests."""
        lines = []
        for engine, modules in sorted(self.counts.items()):
            lines.append(f"{engine}: {modules.total()} tests")
            lines += [f"  {number:4d}  {module}" for module, number in sorted(modules.items())]
        return lines

    def _engines(self, item: pytest.Item) -> set[str]:
        engines = set(self._notes.pop(item, ()))
        engines |= {str(name) for mark in item.iter_markers("runs_on") for name in mark.args}
        # All fixtures in force for this test, those it asked for by name while running among them.
        for definition in getattr(item, "_request")._fixture_defs.values():  # noqa: B009
            engines |= self._notes.get(definition, set())
        return engines


def install(config: pytest.Config) -> BrokerReport:
    """Register the plugin and have every broker started in this process noted; undone at the end."""
    report = BrokerReport()
    patch = pytest.MonkeyPatch()
    for kind in (EmbeddedBroker, ApacheKafka):
        patch.setattr(kind, "start", _noted(kind.start, report))
    config.add_cleanup(patch.undo)
    config.pluginmanager.register(report, "brokers")
    return report


def _noted(start: Any, report: BrokerReport) -> Any:
    def noted(broker: Any) -> None:
        start(broker)
        report.note(broker)

    return noted
