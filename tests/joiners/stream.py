"""A join worker without Kafka and Delta: the real window and watermarks, driven poll by poll."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import polars as pl

from joiners.interactions import join
from joiners.watermarks import Watermarks
from joiners.windows import KINDS, Window
from tests.factories import START_US, light
from tests.strategies import HORIZON, LATENESS, Place, Row, Traffic

IDLE = 3
DAY_LATER = START_US + 24 * 3600 * 1_000_000


class Stream:
    """Polls places in turn; between polls one microsecond passes on the clock."""

    def __init__(
        self,
        traffic: Traffic,
        sizes: Iterable[int],
        *,
        positions: Mapping[Place, int] | None = None,
        settled: Iterable[str] = (),
        topics_quiet: bool = True,
    ) -> None:
        self.places = traffic.places
        self.positions = dict.fromkeys(traffic.places, 0) | dict(positions or {})
        self.window = Window(horizon_us=HORIZON)
        self.marks = Watermarks(KINDS, lateness_us=LATENESS, idle_us=IDLE)
        self.marks.assign({partition for _, partition in traffic.places})
        self.watermarks: dict[int, int] = {}
        self.joined: list[pl.DataFrame] = []
        self.now = DAY_LATER
        self.steps = 0
        self._settled = pl.Series("request_id", list(settled), dtype=pl.String)
        self._sizes = itertools.cycle(sizes)
        self._quiet = topics_quiet

    def done(self) -> bool:
        return all(self.positions[place] == len(rows) for place, rows in self.places.items())

    def step(self, *, at_least: int = 0) -> None:
        self.steps += 1
        self.now += 1
        for place in self.places:
            batch = self._poll(place, at_least)
            self._take_in(place, batch)
            if self._quiet and not batch and self.positions[place] == len(self.places[place]):
                self.marks.at_end(*place, now_us=self.now)
            else:
                self.marks.busy(*place)
        self.settle(self.marks.advance(now_us=self.now))

    def finish(self) -> None:
        while not self.done():
            self.step(at_least=self.steps % 2)
        self.settle(self.marks.close(horizon_us=HORIZON))

    def settle(self, watermarks: dict[int, int]) -> None:
        self.watermarks = watermarks
        due = self.window.due(watermarks)
        if due.requests.height:
            self.joined.append(
                join(due.requests, due.signals, due.outcomes, horizon_us=HORIZON, context=due.context)
            )
        self.window.evict(watermarks)

    def rows(self) -> pl.DataFrame:
        return pl.concat([everything_at_once({}), *self.joined]).sort("request_id")

    def settled_ids(self) -> list[str]:
        return [i for rows in self.joined for i in rows["request_id"]]

    def restart_positions(self) -> dict[Place, int]:
        return dict(self.positions) | self.window.hold_back()

    def _poll(self, place: Place, at_least: int) -> list[Row]:
        start = self.positions[place]
        batch = self.places[place][start : start + max(next(self._sizes), at_least)]
        self.positions[place] = start + len(batch)
        return batch

    def _take_in(self, place: Place, batch: list[Row]) -> None:
        if not batch:
            return
        kind, partition = place
        frame = light(kind, batch)
        self.window.add(kind, frame.filter(~self.window.seen(kind, frame)), settled=self._settled)
        self.marks.observe(kind, partition, START_US + max(row["us"] for row in batch))


def everything_at_once(places: Mapping[Place, list[Row]]) -> pl.DataFrame:
    """The batch join of all messages."""
    frames = [light(kind, Traffic(places).rows(kind)) for kind in KINDS]
    return join(*frames, horizon_us=HORIZON).sort("request_id")
