"""What a broker does with consumer groups: joins, static members, zombies, commits."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
import uuid

from confluent_kafka import KafkaException, TopicPartition

from tests.infra.probes.clients import (
    admin,
    attempt,
    code,
    consumer,
    new_topic,
    producer,
    raw,
    send,
    text,
    until,
)
from tests.infra.probes.members import Member, commit, committed, seconds


def joins(servers: str) -> str:
    said = []
    for timeout in (6_000, 10_000):
        topic, group = new_topic(servers, 2), uuid.uuid4().hex
        one = Member(servers, group, topic, session_timeout_ms=timeout, heartbeat_interval_ms=1000)
        first = until(lambda one=one: len(one.places) == 2, 40)
        two = Member(servers, group, topic, session_timeout_ms=timeout, heartbeat_interval_ms=1000)
        second = until(lambda one=one, two=two: len(one.places) == len(two.places) == 1, 40)
        one.leave()
        alone = until(lambda two=two: len(two.places) == 2, 40)
        two.leave()
        said.append(
            f"session {timeout // 1000} s: first {seconds(first)}, second {seconds(second)}, "
            f"after a leave {seconds(alone)}"
        )
    return "; ".join(said)


def shortest_session(servers: str) -> str:
    topic = new_topic(servers, 1)
    member = Member(servers, uuid.uuid4().hex, topic, session_timeout_ms=1000, heartbeat_interval_ms=300)
    joined = until(lambda: bool(member.places), 15)
    errors = sorted(set(member.errors))
    member.leave()
    return f"1 s session: {seconds(joined)} {errors or ''}"


def static_member_back_in_time(servers: str) -> str:
    """A rolling restart: a static member closes and comes back within its session."""
    topic, group = new_topic(servers, 4), uuid.uuid4().hex
    options = {"session_timeout_ms": 20_000, "heartbeat_interval_ms": 1000}
    stays = Member(servers, group, topic, group_instance_id="stays", **options)
    goes = Member(servers, group, topic, group_instance_id="goes", **options)
    shared = until(lambda: len(stays.places) == len(goes.places) == 2, 60)
    if shared is None:
        return f"never shared: {stays.places} {goes.places} {stays.errors} {goes.errors}"
    before, noticed = set(goes.places), stays.assignments
    goes.leave()
    time.sleep(2)
    untouched = stays.assignments == noticed
    back = Member(servers, group, topic, group_instance_id="goes", **options)
    rejoined = until(lambda: len(back.places) == 2, 40)
    same = back.places == before
    moved = stays.assignments - noticed
    stays.leave()
    back.leave()
    return (
        f"on its leave the other {'keeps' if untouched else 'loses'} its places; back after "
        f"{seconds(rejoined)} with {'the same' if same else 'other'} partitions; "
        f"{moved} rebalances of the other"
    )


def two_with_one_instance_id(servers: str) -> str:
    topic, group = new_topic(servers, 2), uuid.uuid4().hex
    first = Member(servers, group, topic, group_instance_id="only", heartbeat_interval_ms=1000)
    until(lambda: bool(first.places), 40)
    second = Member(servers, group, topic, group_instance_id="only", heartbeat_interval_ms=1000)
    until(lambda: bool(second.places), 40)
    until(lambda: bool(first.errors), 15)
    told = sorted(set(first.errors)) or "nothing"
    wrote = attempt(lambda: first.ask(lambda c: commit(c, topic, 5)))
    got = len(second.places)
    first.leave()
    second.leave()
    return f"the first is told {told}, its commit: {wrote}; the second holds {got} of 2 partitions"


ZOMBIE = """
import os, sys
from confluent_kafka import KafkaException, TopicPartition
from tests.infra.probes.clients import code, consumer
servers, group, topic = sys.argv[1:4]
client = consumer(servers, group, session_timeout_ms=6000, heartbeat_interval_ms=1000)
client.subscribe([topic])
while not client.assignment():
    client.poll(0.1)
print("has it", flush=True)
sys.stdin.readline()
try:
    client.commit(offsets=[TopicPartition(topic, 0, 3)], asynchronous=False)
    print("ok", flush=True)
except KafkaException as error:
    print(code(error), flush=True)
os._exit(0)
"""


def a_paused_zombie(servers: str) -> str:
    """A member stopped (SIGSTOP) past its session, whose first act on waking is a commit."""
    topic, group = new_topic(servers, 1), uuid.uuid4().hex
    zombie = subprocess.Popen(
        [sys.executable, "-c", ZOMBIE, servers, group, topic],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert zombie.stdout is not None
    assert zombie.stdin is not None
    other = None
    try:
        zombie.stdout.readline()
        os.kill(zombie.pid, signal.SIGSTOP)
        other = Member(servers, group, topic, session_timeout_ms=6000, heartbeat_interval_ms=1000)
        taken = until(lambda: bool(other.places), 40)
        other.ask(lambda c: commit(c, topic, 7))
        zombie.stdin.write("now\n")
        zombie.stdin.flush()
        os.kill(zombie.pid, signal.SIGCONT)
        told = zombie.stdout.readline().strip()
    finally:
        zombie.kill()
        zombie.communicate()
    stored = other.ask(lambda c: committed(c, topic))
    other.leave()
    return (
        f"another takes over after {seconds(taken)}; the zombie's commit: {told}; offset stored {stored} (7)"
    )


def commits_of_strangers(servers: str) -> str:
    """Raw OffsetCommit (v2) into a living group: wrong generation, wrong member, no member at all."""
    topic, group = new_topic(servers, 2), uuid.uuid4().hex
    member = Member(servers, group, topic, heartbeat_interval_ms=1000)
    until(lambda: len(member.places) == 2, 40)
    # Two more generations, so that the first is surely an old one.
    passing = Member(servers, group, topic, heartbeat_interval_ms=1000)
    if until(lambda: len(member.places) == len(passing.places) == 1, 40) is None:
        return "never shared"
    passing.leave()
    if until(lambda: len(member.places) == 2, 40) is None:
        return "never alone again"

    def write(to: str, generation: int, who: str) -> int:
        body = text(to) + struct.pack(">i", generation) + text(who) + struct.pack(">qi", -1, 1) + text(topic)
        body += struct.pack(">iiq", 1, 0, 5) + text("")
        answer = raw(servers, 8, 2, body)
        return int(struct.unpack_from(">h", answer, 4 + 2 + len(topic) + 4 + 4)[0])

    own = member.ask(lambda c: c.memberid())
    said = {
        "own name, old generation": write(group, 0, own),
        "own name, future generation": write(group, 999, own),
        "unknown name": write(group, 1, "nobody"),
        "no membership": write(group, -1, ""),
        "no membership, empty group": write(uuid.uuid4().hex, -1, ""),
    }
    stored = member.ask(lambda c: committed(c, topic))
    member.leave()
    return ", ".join(f"{who}: {error}" for who, error in said.items()) + f"; stored {stored}"


def commit_past_the_end(servers: str) -> str:
    topic, group = new_topic(servers, 1), uuid.uuid4().hex
    client = consumer(servers, group)
    done = attempt(
        lambda: client.commit(offsets=[TopicPartition(topic, 0, 10**9, "note")], asynchronous=False)
    )
    back = client.committed([TopicPartition(topic, 0)], timeout=10)[0]
    client.close()
    return f"{done}, read back {back.offset} {back.metadata!r}"


def never_committed(servers: str) -> str:
    topic = new_topic(servers, 1)
    client = consumer(servers)
    back = committed(client, topic)
    client.close()
    return str(back)


def idle_consumer_past_max_poll(servers: str) -> str:
    """Heartbeats go on in the background, but nobody polls for `max.poll.interval.ms`."""
    topic, group = new_topic(servers, 1), uuid.uuid4().hex
    client = consumer(
        servers, group, session_timeout_ms=6000, heartbeat_interval_ms=1000, max_poll_interval_ms=7000
    )
    client.subscribe([topic])
    if until(lambda: client.poll(0.1) is not None or bool(client.assignment()), 30) is None:
        return "never joined"
    other = Member(servers, group, topic, heartbeat_interval_ms=1000)
    taken = until(lambda: bool(other.places), 40)
    told = attempt(lambda: commit(client, topic, 1))
    client.close()
    other.leave()
    return f"another takes over after {seconds(taken)}; its commit: {told}"


def group_listing(servers: str) -> str:
    topic, group = new_topic(servers, 1), uuid.uuid4().hex
    member = Member(servers, group, topic, heartbeat_interval_ms=1000)
    until(lambda: bool(member.places), 40)
    try:
        listed = {g.group_id for g in admin(servers).list_consumer_groups().result(10).valid}
        described = admin(servers).describe_consumer_groups([group])[group].result(10)
        said = f"listed: {group in listed}, state {described.state.name}, {len(described.members)} member"
    except KafkaException as error:
        said = code(error)
    member.leave()
    return said


def assignors_and_protocols(servers: str) -> str:
    said = {}
    for name, options in {
        "range": {},
        "cooperative-sticky": {"partition_assignment_strategy": "cooperative-sticky"},
    }.items():
        topic = new_topic(servers, 2)
        member = Member(servers, uuid.uuid4().hex, topic, heartbeat_interval_ms=1000, **options)
        said[name] = seconds(until(lambda member=member: len(member.places) == 2, 20))
        member.leave()
    topic = new_topic(servers, 2)
    try:
        from confluent_kafka import Consumer as Newer

        from tests.infra.probes.clients import QUIET

        client = Newer(
            {"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "group.protocol": "consumer"},
            logger=QUIET,
        )
        client.subscribe([topic])
        told: list[str] = []

        def assigned() -> bool:
            message = client.poll(0.1)
            if message is not None and message.error():
                told.append(message.error().name())
            return len(client.assignment()) == 2 or bool(told)

        took = until(assigned, 20)
        said["consumer protocol (KIP-848)"] = told[0] if told else seconds(took)
        client.close()
    except KafkaException as error:
        said["consumer protocol (KIP-848)"] = code(error)
    return ", ".join(f"{name} {answer}" for name, answer in said.items())


def a_message_travels(servers: str) -> str:
    """From produce to poll, for a consumer that waits: median of 50."""
    topic = new_topic(servers, 1)
    client, sender = consumer(servers), producer(servers, linger_ms=0)
    client.assign([TopicPartition(topic, 0, 0)])
    client.poll(1)
    times = []
    for n in range(50):
        begun = time.monotonic()
        send(sender, topic, [str(n).encode()])
        while (message := client.poll(5)) is not None and message.error():
            pass
        times.append(time.monotonic() - begun)
    client.close()
    return f"{sorted(times)[25] * 1000:.1f} ms"


PROBES = [
    joins,
    shortest_session,
    static_member_back_in_time,
    two_with_one_instance_id,
    a_paused_zombie,
    commits_of_strangers,
    commit_past_the_end,
    never_committed,
    idle_consumer_past_max_poll,
    group_listing,
    assignors_and_protocols,
    a_message_travels,
]
