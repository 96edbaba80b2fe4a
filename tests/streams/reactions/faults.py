"""Faults a worker under test can be started with: they exist here, never in the code."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streams.reactions import announcing, nightly
from streams.reactions.judging import OnlineJudge


def plant(faults: str) -> None:
    """Plant faults, separated by semicolons.

    `hang-judging:FILE` and `hang-building:FILE` create the file when they hang. `bad-request:ID`: the judge
    raises what nobody expects. `hang-request:ID:FILE`: it hangs with this failure. `look-often`: the registry
    of drops is looked at all the time.
    """
    for fault in filter(None, faults.split(";")):
        kind, *what = fault.split(":")
        _KINDS[kind](*what)


def _hang_judging(file: str) -> None:
    OnlineJudge.judge = lambda *_, **__: _forever(file)  # type: ignore[method-assign, assignment]


def _hang_building(file: str) -> None:
    whole = nightly.make_drop

    def held(*args: Any, step: Any, **options: Any) -> Any:
        def at(name: str) -> None:
            step(name)
            if name == "moved":
                _forever(file)

        return whole(*args, step=at, **options)

    nightly.make_drop = held  # type: ignore[assignment]


def _bad_request(request_id: str) -> None:
    def fail() -> None:
        raise ValueError("a defect of the judge")

    _when_judging(request_id, fail)


def _hang_request(request_id: str, file: str) -> None:
    _when_judging(request_id, lambda: _forever(file))


def _when_judging(request_id: str, happen: Any) -> None:
    judge = OnlineJudge.judge

    def picky(self: OnlineJudge, failures: Sequence[Any], *rest: Any, **options: Any) -> None:
        if any(failure.request_id == request_id for failure in failures):
            happen()
        judge(self, failures, *rest, **options)

    OnlineJudge.judge = picky  # type: ignore[method-assign]


def _look_often() -> None:
    announcing.LOOK_S = 0.3  # type: ignore[misc]


_KINDS = {
    "look-often": _look_often,
    "hang-judging": _hang_judging,
    "hang-building": _hang_building,
    "bad-request": _bad_request,
    "hang-request": _hang_request,
}


def _forever(file: str) -> None:
    Path(file).touch()
    threading.Event().wait()
