"""One Apache Kafka process on loopback: formatted once, then started, stopped and killed at will."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from contracts.errors import TerminalError
from infra import probe
from infra.kafka.config import Member
from infra.kafka.java import environment
from infra.ports import HOST
from infra.supervised import Supervised, tail

FORMAT_SECONDS: Final = 60.0
# A clean stop writes the log's checkpoints; a broker of a cluster also hands over its partitions first.
GRACE_SECONDS: Final = 20.0
_LOGGING: Final = Path(__file__).with_name("log4j2.properties")
_JAVA_OPTIONS: Final = (
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    f"-Dlog4j2.configurationFile={_LOGGING}",
)
# The first of Java's two compilers only: half the processor time until ready, slower at full load.
QUICK_START: Final = "-XX:TieredStopAtLevel=1"


class Node:
    """A broker (and controller) with its own folder; `root` is deleted should this process die."""

    def __init__(self, member: Member, root: Path, *, java: Path, jars: Path, options: Sequence[str]) -> None:
        self.member = member
        self._root = root
        self._java = java
        self._classpath = f"{jars}/*"
        self._options = tuple(options)
        self._folder = root / f"node-{member.node_id}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process: Supervised | None = None

    @property
    def data(self) -> Path:
        """Where the log segments are."""
        return self._folder / "data"

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        """Process id of the supervisor, if started."""
        return self._process.pid if self._process else None

    def format(self, cluster: str, properties: str) -> None:
        """Write the configuration and make the data folder. Raises `TerminalError` when Kafka refuses."""
        (self._folder / "server.properties").write_text(properties, encoding="utf-8")
        command = self._command("kafka.tools.StorageTool", ["-Xmx128m", QUICK_START])
        process = Supervised(
            [*command, "format", f"--cluster-id={cluster}", "--config", self._folder / "server.properties"],
            folder=self._root,
            log=self._folder / "format.log",
            env=environment(),
            grace_seconds=0,
        )
        code = process.wait(FORMAT_SECONDS)
        process.kill()
        if code != 0:
            raise TerminalError(
                f"Apache Kafka could not format its storage; it said:\n{process.tail()}",
                hint="Is there room in the temporary folder (TMPDIR)?",
            )

    def start(self) -> None:
        """Start the process on the formatted data folder; it is not ready yet."""
        command = self._command("kafka.Kafka", self._options)
        self._process = Supervised(
            [*command, self._folder / "server.properties"],
            folder=self._root,
            log=self._log,
            env=environment(),
            grace_seconds=GRACE_SECONDS,
        )

    def knows(self, cluster: str, members: set[int]) -> bool:
        """Whether it answers clients as `cluster` and lists all of `members` as alive."""
        answer = probe.ask(HOST, self.member.port, timeout=1.0)
        return answer is not None and answer.cluster_id == cluster and members <= answer.node_ids

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting."""
        if self._process is not None:
            self._process.ask_to_stop()

    def stop(self) -> None:
        """End cleanly within `GRACE_SECONDS`, else by force; the data stay."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone. The data stay."""
        if self._process is not None:
            self._process.kill()

    def log_tail(self) -> str:
        """The last lines of its log (it logs no message contents)."""
        return tail(self._log)

    @property
    def _log(self) -> Path:
        return self._folder / "broker.log"

    def _command(self, main: str, options: Sequence[str]) -> list[str | Path]:
        return [self._java, *_JAVA_OPTIONS, *options, "-cp", self._classpath, main]
