"""Faults a worker under test can be started with: they exist here, never in the code."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streams.reactions import nightly
from streams.reactions.judging import OnlineJudge


def plant(fault: str) -> None:
    """Plant a fault: `hang-judging:FILE`, `hang-building:FILE` (both create the file when they hang),
    `bad-request:ID` (the judge raises what nobody expects), or nothing."""
    kind, _, what = fault.partition(":")
    if kind == "hang-judging":

        def hang(*_: Any, **__: Any) -> None:
            _forever(what)

        OnlineJudge.judge = hang  # type: ignore[method-assign]
    elif kind == "hang-building":
        whole = nightly.make_drop

        def held(*args: Any, step: Any, **options: Any) -> Any:
            def at(name: str) -> None:
                step(name)
                if name == "moved":
                    _forever(what)

            return whole(*args, step=at, **options)

        nightly.make_drop = held  # type: ignore[assignment]
    elif kind == "bad-request":
        judge = OnlineJudge.judge

        def picky(self: OnlineJudge, failures: Sequence[Any], fresh: Any) -> None:
            if any(failure.request_id == what for failure in failures):
                raise ValueError("a defect of the judge")
            judge(self, failures, fresh)

        OnlineJudge.judge = picky  # type: ignore[method-assign]
    elif fault:
        raise ValueError(f"no such fault: {fault}")


def _forever(file: str) -> None:
    Path(file).touch()
    threading.Event().wait()
