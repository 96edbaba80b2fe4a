"""Apache Kafka itself on loopback, for tests and development: one broker, or a cluster of three.

KRaft (no ZooKeeper), every node broker and controller. The jars come from Maven Central once
(`infra/kafka/jars.py`); data live in a temporary folder that survives `stop`, `kill` and `restart`
and is deleted by `close`, or when this process dies.
"""

from __future__ import annotations

import base64
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final

from contracts.errors import TerminalError
from infra import ports
from infra.kafka.config import Member, properties
from infra.kafka.jars import jars, version
from infra.kafka.java import java
from infra.kafka.node import QUICK_START, Node
from infra.ports import HOST

START_SECONDS: Final = 90.0
HEAP_MB: Final = 512
_ATTEMPTS: Final = 3


class _PortTaken(TerminalError):
    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} on {HOST} is taken",
            hint="Stop what listens there, or choose another port (none given: a free one is found).",
        )


class ApacheKafka:
    """A real Kafka cluster as a context manager: ``with ApacheKafka(brokers=3) as kafka: …``.

    It is ready when `start` returns. With three brokers topics get replication factor 3 and need two
    replicas in sync. Brokers are numbered from 1; `stop`, `kill` and `restart` take the number of one,
    or mean all of them. Ports and data stay the same until `close`.

    `port` is the first broker's (the others follow); without it free ones are found. `settings` are
    broker properties on top of ours, `heap_mb` the Java heap of each broker, mebibytes. `quick_start`
    suits tests: half the processor time until ready; turn it off for a broker that works hard for long.
    """

    def __init__(
        self,
        brokers: int = 1,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        heap_mb: int = HEAP_MB,
        quick_start: bool = True,
        on_fetch: Callable[[], None] | None = None,
    ) -> None:
        if brokers not in (1, 3):
            raise TerminalError(f"a cluster of {brokers} brokers is not offered", hint="Ask for 1 or 3.")
        self.brokers = brokers
        self._wanted = port
        self._settings = dict(settings or {})
        self._java_options = [f"-Xmx{heap_mb}m", *([QUICK_START] if quick_start else [])]
        self._on_fetch = on_fetch
        self._root: Path | None = None
        self._nodes: list[Node] = []
        self._cluster = ""

    @property
    def version(self) -> str:
        """The Apache Kafka version."""
        return version()

    @property
    def bootstrap_servers(self) -> str:
        """``host:port`` of every broker, with commas. Raises `TerminalError` before the start."""
        if not self._nodes:
            raise TerminalError("Apache Kafka is not running", hint="Use it as a context manager.")
        return ",".join(f"{HOST}:{node.member.port}" for node in self._nodes)

    @property
    def ports(self) -> tuple[int, ...]:
        """The clients' port of each broker."""
        return tuple(node.member.port for node in self._nodes)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the supervisors of the running brokers."""
        return tuple(node.pid for node in self._nodes if node.running and node.pid is not None)

    @property
    def running(self) -> bool:
        """Whether every broker's process is alive."""
        return bool(self._nodes) and all(node.running for node in self._nodes)

    def __enter__(self) -> ApacheKafka:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start what does not run and wait until all brokers serve, at most `START_SECONDS`.

        The first start fetches the jars when need be. Raises `TerminalError` without Java or Maven, when
        the wanted port is taken or a broker does not come up (with the tail of its log), and
        `TransientError` when the jars cannot be fetched.
        """
        if self._nodes:
            self._run(self._nodes)
            return
        runtime, classes = java(), jars(on_fetch=self._on_fetch)
        attempts = 1 if self._wanted is not None else _ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                self._create(runtime, classes)
                self._run(self._nodes)
                return
            except TerminalError as error:
                # Another process may have taken a port between our choice and the bind.
                lost = isinstance(error, _PortTaken) or any(
                    not ports.is_free(port) for node in self._nodes for port in _bound(node.member)
                )
                self.close()
                if not lost or attempt == attempts:
                    raise
            except BaseException:
                self.close()
                raise

    def stop(self, broker: int | None = None) -> None:
        """End cleanly, the data stay. Safe to call twice."""
        nodes = self._chosen(broker)
        for node in nodes:
            node.ask_to_stop()
        for node in nodes:
            node.stop()

    def kill(self, broker: int | None = None) -> None:
        """SIGKILL, as a crash; what was acknowledged stays. Safe to call twice."""
        for node in self._chosen(broker):
            node.kill()

    def restart(self, broker: int | None = None) -> None:
        """Stop what still runs, start again on the same ports and data, wait until it serves."""
        self.stop(broker)
        self._run(self._chosen(broker))

    def close(self) -> None:
        """End everything and delete the data. Safe to call twice; a later `start` is a new cluster."""
        for node in self._nodes:
            node.kill()
        self._nodes = []
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None

    def log_tail(self) -> str:
        """The last lines of every broker's log (no message contents)."""
        return "\n".join(f"[broker {n.member.node_id}] {n.log_tail()}" for n in self._nodes)

    def _create(self, runtime: Path, classes: Path) -> None:
        members = self._members()
        for port in (port for member in members for port in _bound(member)):
            if not ports.is_free(port):
                raise _PortTaken(port)
        self._cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self._root = root = Path(tempfile.mkdtemp(prefix="tailrace-kafka-"))
        self._nodes = [Node(m, root, java=runtime, jars=classes, options=self._java_options) for m in members]
        with ThreadPoolExecutor(len(self._nodes)) as pool:
            list(pool.map(lambda n: n.format(self._cluster, self._properties(n, members)), self._nodes))

    def _members(self) -> list[Member]:
        first, count = self._wanted, self.brokers
        clients = [] if first is None else [first + i for i in range(count)]
        chosen = dict.fromkeys(clients)  # ordered, and no port twice
        while len(chosen) < 2 * count:
            chosen[ports.lasting_port()] = None
        numbers = list(chosen)
        return [Member(i + 1, numbers[i], numbers[count + i]) for i in range(count)]

    def _properties(self, node: Node, members: Sequence[Member]) -> str:
        return properties(node.member, members, node.data, self._settings)

    def _chosen(self, broker: int | None) -> list[Node]:
        if broker is None:
            return self._nodes
        if not 1 <= broker <= len(self._nodes):
            raise TerminalError(f"there is no broker {broker}", hint=f"Brokers are 1 to {len(self._nodes)}.")
        return [self._nodes[broker - 1]]

    def _run(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            if not node.running:
                taken = [port for port in _bound(node.member) if not ports.is_free(port)]
                if taken:
                    raise _PortTaken(taken[0])
                node.start()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and all(node.running for node in nodes):
            alive = {node.member.node_id for node in self._nodes if node.running}
            if all(node.knows(self._cluster, alive) for node in nodes):
                return
            time.sleep(0.05)
        raise TerminalError(
            f"Apache Kafka was not ready within {START_SECONDS:.0f} s; its log ends:\n{self.log_tail()}",
            hint="Run it again; it needs about 1 GB of memory a broker.",
        )


def _bound(member: Member) -> tuple[int, int]:
    return member.port, member.controller_port
