"""Apache Kafka's own broker: serves, keeps what it acknowledged, never outlives its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from kafka import KafkaConsumer, KafkaProducer

from contracts.errors import TerminalError
from infra import ports
from infra.apache_kafka import ApacheKafka
from tests.infra.waiting import addresses, answers, children, wait_until

CHECKOUT = Path(__file__).parents[2]
# On Linux a Java socket of both families shows as an IPv6 address that maps the IPv4 one.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}


def put(servers: str, topic: str, count: int) -> list[bytes]:
    """Messages that the broker acknowledged."""
    values = [f"{topic} {n}".encode() for n in range(count)]
    producer = Producer({"bootstrap.servers": servers, "acks": "all"})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0
    return values


def read(servers: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found: list[bytes] = []
    try:
        assert wait_until(
            lambda: bool(
                found.extend(m.value() for m in consumer.consume(100, 0.2) if not m.error())
                or len(found) >= count
            ),
            30,
        )
    finally:
        consumer.close()
    return found


def test_it_serves_both_clients_on_loopback_only(apache_kafka: ApacheKafka) -> None:
    servers = apache_kafka.bootstrap_servers
    assert servers == f"127.0.0.1:{apache_kafka.ports[0]}"
    topic = f"both-{uuid.uuid4().hex[:8]}"
    sent = put(servers, topic, 20)
    producer = KafkaProducer(bootstrap_servers=servers)
    producer.send(topic, b"from kafka-python").get(10)
    producer.close()
    assert read(servers, topic, 21) == [*sent, b"from kafka-python"]
    consumer = KafkaConsumer(
        topic, bootstrap_servers=servers, auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    assert [next(consumer).value for _ in range(21)] == [*sent, b"from kafka-python"]
    consumer.close()
    if not Path("/proc/net/tcp").exists():
        pytest.skip("no /proc/net/tcp on this system")
    member = apache_kafka._nodes[0].member
    for port in (member.port, member.controller_port):
        assert addresses(port)
        assert addresses(port) <= LOOPBACK


def test_data_outlive_a_restart_and_a_sudden_death(own_apache_kafka: Callable[..., ApacheKafka]) -> None:
    kafka = own_apache_kafka()
    servers, port = kafka.bootstrap_servers, kafka.ports[0]
    sent = put(servers, "kept", 50)
    kafka.kill()
    assert not kafka.running
    assert not answers(port)
    kafka.restart()
    assert (kafka.bootstrap_servers, kafka.running) == (servers, True)
    assert read(servers, "kept", 50) == sent
    more = put(servers, "kept", 10)
    kafka.stop()
    kafka.stop()
    assert not answers(port)
    kafka.start()
    assert read(servers, "kept", 60) == sent + more
    folder = kafka._root
    assert folder is not None
    assert folder.exists()
    kafka.close()
    kafka.close()
    assert not folder.exists()
    with pytest.raises(TerminalError, match="not running"):
        _ = kafka.bootstrap_servers


PARENT = """
    import time
    from infra.apache_kafka import ApacheKafka
    kafka = ApacheKafka()
    kafka.start()
    print(kafka.ports[0], kafka.pids[0], kafka._root, flush=True)
    time.sleep(120)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc to find the broker's process")
def test_no_java_is_left_when_the_launcher_is_killed(apache_kafka: ApacheKafka) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT)],
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        start_new_session=True,
    )
    assert parent.stdout is not None
    try:
        port, supervisor, folder = parent.stdout.readline().split()
        (java,) = children(int(supervisor))
        assert b"kafka.Kafka" in Path(f"/proc/{java}/cmdline").read_bytes()
        parent.kill()
        parent.wait()
        for pid in (java, int(supervisor)):
            assert wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists())
        assert not answers(int(port))
        assert not Path(folder.decode()).exists()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.stdout.close()


def test_a_taken_port_is_one_clear_error(apache_kafka: ApacheKafka) -> None:
    taken = apache_kafka.ports[0]
    with pytest.raises(TerminalError, match=f"port {taken} .* taken") as raised:
        ApacheKafka(port=taken).start()
    assert raised.value.hint
    assert answers(taken)


def test_a_port_lost_in_a_race_is_retried(
    apache_kafka: ApacheKafka, own_apache_kafka: Callable[..., ApacheKafka], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, offered = ports.lasting_port, [apache_kafka.ports[0]]
    monkeypatch.setattr(ports, "lasting_port", lambda: offered.pop() if offered else real())
    kafka = own_apache_kafka()
    assert not offered
    assert kafka.ports[0] != apache_kafka.ports[0]
    assert answers(kafka.ports[0])


def test_a_broker_that_does_not_start_shows_its_log(apache_kafka: ApacheKafka) -> None:
    # Kafka checks the first when it formats, the second when it starts.
    for name, value in (("num.io.threads", "none"), ("authorizer.class.name", "no.such.Authorizer")):
        kafka = ApacheKafka(settings={name: value})
        with pytest.raises(TerminalError, match=f"{name}|{value}"):
            kafka.start()
        assert kafka._root is None


def test_an_unoffered_size_is_refused() -> None:
    with pytest.raises(TerminalError, match="2 brokers"):
        ApacheKafka(brokers=2)
    with pytest.raises(TerminalError, match="not running"):
        _ = ApacheKafka().bootstrap_servers


@pytest.mark.faults
def test_a_cluster_works_without_one_of_three(apache_kafka_cluster: ApacheKafka) -> None:
    kafka = apache_kafka_cluster
    topic = f"replicated-{uuid.uuid4().hex[:8]}"
    sent = put(kafka.bootstrap_servers, topic, 10)
    for number in (1, 2, 3):
        kafka.kill(number)
        assert not kafka.running
        sent += put(kafka.bootstrap_servers, topic, 10)
        kafka.restart(number)
    assert read(kafka.bootstrap_servers, topic, 40) == sent
    with pytest.raises(TerminalError, match="no broker 4"):
        kafka.kill(4)


@pytest.mark.faults
def test_a_cluster_without_two_of_three_acknowledges_nothing(apache_kafka_cluster: ApacheKafka) -> None:
    kafka = apache_kafka_cluster
    topic = f"replicated-{uuid.uuid4().hex[:8]}"
    sent = put(kafka.bootstrap_servers, topic, 10)
    kafka.kill(1)
    kafka.kill(3)
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap_servers, "acks": "all", "message.timeout.ms": 3000}
    )
    refused: list[bool] = []
    producer.produce(topic, b"lost", on_delivery=lambda error, _: refused.append(error is not None))
    assert producer.flush(30) == 0
    assert refused == [True]
    kafka.start()
    assert kafka.running
    # It may have reached the one log that was left: a failed delivery is an unknown one.
    assert [v for v in read(kafka.bootstrap_servers, topic, 10) if v != b"lost"] == sent
