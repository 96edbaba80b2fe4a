"""`settle` while workers go on writing: nothing is lost, nothing is written twice."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from polars.testing import assert_frame_equal

from curation.settle import settle
from joiners.interactions import JOINED_COLUMNS, join
from sinks.accounting import account
from sinks.lake import Lake
from tests.factories import SECOND, START_US
from tests.joiners.disturbed import BASE, Disturbed, Log, Sent, encoded
from tests.joiners.lives import HORIZON_US, Worker, decoded, messages
from tests.lakes import new_lake
from tests.strategies import KINDS, Place, Row

TURNS = 12
SESSIONS = 24


def _traffic() -> Disturbed:
    """Sessions over two partitions; a third of the evidence comes when its request is settled."""
    dice = random.Random(7)
    logs: dict[Place, Log] = {(kind, p): [] for kind in (*KINDS, "consents") for p in (0, 1)}

    def send(kind: str, partition: int, row: Row, delay: int) -> None:
        given = (
            {"prompt_text": "how", "finish_reason": "stop"} if kind == "requests" else {"request_id": None}
        )
        complete = given | row
        arrives = complete["us"] + delay
        logs[kind, partition].append(Sent(arrives, complete, encoded(kind, complete)))

    for s in range(SESSIONS):
        for r in range(3):
            when, request = BASE + s * 5 + r * 6, f"s{s}-r{r}"
            place = {"session_id": f"s{s}"}
            send("requests", s % 2, {"request_id": request, "us": when} | place, dice.choice([0, 1, 40]))
            for n in range(2):
                delay = dice.choice([1, 2, 30])
                signal = {"event_id": f"{request}-g{n}", "us": when + 1 + n, "kind": "copy"}
                send("signals", s % 2, signal | place, delay)
                outcome = {"event_id": f"{request}-o{n}", "us": when + 2, "kind": "ticket", "success": n == 0}
                amended = {"supersedes": f"{request}-o{n - 1}" if n else None}
                send("outcomes", (s + n) % 2, outcome | amended | place, delay)
    return Disturbed({p: sorted(log, key=lambda m: m.arrives) for p, log in logs.items()}, "on arrival")


def test_beside_two_workers_and_another_settle(tmp_path: Path) -> None:
    traffic, lake = _traffic(), new_lake(tmp_path / "lake")
    end = max(sent.arrives for log in traffic.logs.values() for sent in log)
    working = [True, True]

    def work(partition: int) -> None:
        worker = Worker(lake, traffic, [partition], {})
        try:
            for now in range(BASE, end + TURNS, (end - BASE) // TURNS):
                worker.turn(now, 10_000)
            worker.turn(end, 10_000, close=True)
        finally:
            working[partition] = False

    def keep_settling(_: int) -> int:
        revised = 0
        while any(working):
            revised += settle(Lake(lake.root), horizon_us=HORIZON_US, now_us=START_US).revised
        return revised

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, partition) for partition in (0, 1)]
        revised = sum(pool.map(keep_settling, range(2)))
        for worker in workers:
            worker.result()
    assert revised > 0
    settle(lake, horizon_us=HORIZON_US, now_us=START_US + SECOND)

    everything = lake.scan("interactions").select("request_id", "revision").collect()
    assert not everything.is_duplicated().any()
    batch = [m for place, log in traffic.logs.items() for m in messages(traffic, place, 0, len(log))]
    frames = decoded(batch, START_US).frames
    whole = join(*(frames[kind] for kind in KINDS), horizon_us=HORIZON_US, late_evidence=True)
    current = lake.interactions().select(JOINED_COLUMNS).collect()
    assert_frame_equal(current.sort("request_id"), whole.sort("request_id"))
    final = account(lake, horizon_us=HORIZON_US)
    assert (final.consumed, final.joined) == (len(batch), len(batch))
