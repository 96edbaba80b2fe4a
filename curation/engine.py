"""Where the work on buckets of texts runs: here, or as Ray tasks on a cluster."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar

from contracts.errors import SettingsError
from contracts.settings import NightlySettings

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD: Final = 2
"""Tasks in flight per CPU of a Ray cluster: enough to keep it busy, few enough to bound the results held."""


class Engine(Protocol):
    """Applies a pure, picklable function to items. Every engine gives the same results in the same order."""

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """`work(item)` for every item, in the order of the items."""


class LocalEngine:
    """In this process, one item after the other; polars and numpy use the cores."""

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """`work(item)` for every item."""
        return map(work, items)


class RayEngine:
    """As Ray tasks. Workers must see the drops root under the same path: scratch files lie there."""

    def __init__(self, address: str = "") -> None:
        """Connect to a cluster, or start one on this machine when no address is given.

        Raises `SettingsError` when Ray is not installed or the cluster does not answer.
        """
        try:
            import ray
        except ImportError:
            raise SettingsError(
                "the Ray engine needs the package ray", hint="Install it with: pip install 'tailrace[ray]'"
            ) from None
        self._ray: Any = ray
        if not ray.is_initialized():
            try:
                ray.init(
                    address=address or None,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="ERROR",
                )
            except (ConnectionError, ValueError) as error:
                raise SettingsError(
                    f"no Ray cluster answers at {address or 'this machine'}: {error}",
                    hint="Start one with `ray start --head`, or correct nightly.ray_address.",
                ) from None

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """`work(item)` for every item, a bounded number of them at a time."""
        ray = self._ray
        shared = ray.put(work)
        task = ray.remote(_apply)
        most = max(1, int(ray.cluster_resources().get("CPU", 1))) * AHEAD
        waiting = iter(items)
        running = deque(task.remote(shared, item) for item in itertools.islice(waiting, most))
        while running:
            yield ray.get(running.popleft())
            running.extend(task.remote(shared, item) for item in itertools.islice(waiting, 1))


def _apply(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)


def make_engine(settings: NightlySettings) -> Engine:
    """The engine the settings name. Raises `SettingsError` when it cannot be had."""
    return RayEngine(settings.ray_address) if settings.engine == "ray" else LocalEngine()
