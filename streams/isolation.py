"""Which rows break a step: bisection over sessions, then over events. Pure; works on any step over rows.

An event can be valid and still break a later step: a defect of ours that only its content shows. The rest
of its batch must not wait for the cure, so the step is tried on ever smaller parts until the fewest rows
are known without which it works.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import polars as pl
from polars.exceptions import PanicException

from contracts.errors import TableInvalid, TailraceError, TerminalError

Rows = Mapping[str, pl.DataFrame]
"""Input of a step → its rows; every frame has `partition` and `offset`."""

Result = TypeVar("Result")
Item = TypeVar("Item")
_Row = tuple[str, int]
"""Input and index of a row in it."""

MOST_POISON: Final = 100
"""More poison in one batch is no poison: the step is broken, and a person has to look."""

EVIDENCE: Final = ("signals", "outcomes")


@dataclass(frozen=True, slots=True, order=True)
class Poison:
    """A row that breaks a step: its kind of event, where it lies, and the type of the error (not its
    text: that may quote the event)."""

    kind: str
    partition: int
    offset: int
    error: str


@dataclass(frozen=True, slots=True)
class Isolated(Generic[Result]):
    """What a step made of the good rows, and the rows it cannot take."""

    result: Result
    poison: tuple[Poison, ...] = ()


def isolate(
    rows: Rows,
    step: Callable[[Rows], Result],
    *,
    kinds: Mapping[str, str] | None = None,
    most: int = MOST_POISON,
) -> Isolated[Result]:
    """Run a step; when rows break it, find the fewest to leave out and run it without them.

    `kinds`: input → kind of event, where the two differ (an input `context` of requests). `step` must
    change nothing: it is called once when all is well, else many times. Where a request and evidence
    break it only together, the evidence is the poison and the request is kept. Transient and terminal
    errors, `OSError` and `MemoryError` pass through: no row causes them, but for `TableInvalid`. Raises
    `TerminalError` when more than `most` rows break the step, or when it fails without any row.
    """
    try:
        return Isolated(step(rows))
    except (Exception, PanicException) as error:
        if not _by_a_row(error):
            raise
        first = error
    left = [(name, index) for name, frame in rows.items() for index in range(frame.height)]
    names = dict(kinds or {})
    poison: list[Poison] = []

    def failure(chosen: Sequence[_Row]) -> BaseException | None:
        return _failure(step, _select(rows, chosen))

    if failure([]) is not None:
        raise _broken(first) from first
    while failure(left) is not None:
        groups = _sessions(rows, left)
        for group in _failing_parts(groups, failure, most=most - len(poison), first=first):
            for row, cause in _culprits(rows, group, failure):
                poison.append(_poison(rows, row, names, cause))
                left.remove(row)
                if len(poison) > most:
                    raise _broken(first) from first
    return Isolated(step(_select(rows, left)), tuple(sorted(poison)))


def without(frame: pl.DataFrame, places: Iterable[tuple[int, int]]) -> pl.DataFrame:
    """The rows of a frame that lie at none of the places (partition, offset)."""
    gone = pl.DataFrame(
        list(places), schema={"partition": frame.schema["partition"], "offset": pl.Int64}, orient="row"
    )
    if gone.is_empty():
        return frame
    return frame.join(gone, on=["partition", "offset"], how="anti", maintain_order="left")


def smallest_failing(items: Sequence[Item], fails: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """A part of `items`, which fail, that still fails and from which nothing can be left out.

    Delta debugging: halves, then quarters, and what remains without each of them.
    """
    items, parts = list(items), 2
    while len(items) > 1:
        size = -(-len(items) // parts)
        pieces = [items[start : start + size] for start in range(0, len(items), size)]
        rests = [
            [item for other in pieces if other is not piece for item in other]
            for piece in (pieces if len(pieces) > 2 else ())
        ]
        if found := next((piece for piece in pieces if fails(piece)), None):
            items, parts = found, 2
        elif found := next((rest for rest in rests if fails(rest)), None):
            items, parts = found, max(parts - 1, 2)
        elif parts >= len(items):
            break
        else:
            parts = min(2 * parts, len(items))
    return items


def _failing_parts(
    groups: list[list[_Row]],
    failure: Callable[[Sequence[_Row]], BaseException | None],
    *,
    most: int,
    first: BaseException,
) -> list[list[_Row]]:
    """The groups that fail by themselves; groups that only fail together come as one."""
    found: list[list[_Row]] = []

    def search(part: list[list[_Row]]) -> bool:
        """Whether the part fails; what fails in it is in `found` then."""
        rows = [row for group in part for row in group]
        if failure(rows) is None:
            return False
        half = len(part) // 2
        if len(part) == 1:
            found.append(part[0])
        elif not (search(part[:half]) | search(part[half:])):
            found.append(rows)
        if len(found) > most:
            raise _broken(first) from first
        return True

    search(groups)
    return found


def _culprits(
    rows: Rows, group: list[_Row], failure: Callable[[Sequence[_Row]], BaseException | None]
) -> Iterator[tuple[_Row, BaseException]]:
    """Rows without which the group works, one by one, with the error each causes."""
    left = list(group)
    while failure(left) is not None:
        together = smallest_failing(left, lambda chosen: failure(chosen) is not None)
        error = failure(together)
        if error is None:
            raise TerminalError("a step fails by chance: nothing can be isolated")
        row = max(together, key=lambda r: (r[0] in EVIDENCE, _place(rows, r)))
        left.remove(row)
        yield row, error


def _sessions(rows: Rows, chosen: Iterable[_Row]) -> list[list[_Row]]:
    """The rows by session; evidence that names a request belongs to that request's session too."""
    parent: dict[Hashable, Hashable] = {}

    def root(node: Hashable) -> Hashable:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = parent[node]
        return node

    nodes: list[tuple[_Row, Hashable]] = []
    columns = {
        name: {c: frame[c].to_list() for c in ("session_id", "request_id") if c in frame.columns}
        for name, frame in rows.items()
    }
    for row in chosen:
        name, index = row
        named: list[Hashable] = [
            (c, ids[index]) for c, ids in columns[name].items() if ids[index] is not None
        ]
        own = named[0] if named else row
        for node in named[1:]:
            parent[root(node)] = root(own)
        nodes.append((row, own))
    groups: dict[Hashable, list[_Row]] = defaultdict(list)
    for row, node in nodes:
        groups[root(node)].append(row)
    return list(groups.values())


def _select(rows: Rows, chosen: Iterable[_Row]) -> dict[str, pl.DataFrame]:
    indices: dict[str, list[int]] = {name: [] for name in rows}
    for name, index in chosen:
        indices[name].append(index)
    # In the order they had: a step may depend on it.
    return {name: frame[sorted(indices[name])] for name, frame in rows.items()}


def _failure(step: Callable[[Rows], Result], rows: Rows) -> BaseException | None:
    try:
        step(rows)
    except (Exception, PanicException) as error:
        if not _by_a_row(error):
            raise
        return error
    return None


def _by_a_row(error: BaseException) -> bool:
    """Whether the content of a row can be the cause of an error."""
    if isinstance(error, TailraceError):
        return isinstance(error, TableInvalid)
    return not isinstance(error, OSError | MemoryError)


def _place(rows: Rows, row: _Row) -> tuple[int, int]:
    name, index = row
    return int(rows[name]["partition"][index]), int(rows[name]["offset"][index])


def _poison(rows: Rows, row: _Row, kinds: Mapping[str, str], error: BaseException) -> Poison:
    return Poison(kinds.get(row[0], row[0]), *_place(rows, row), type(error).__name__)


def _broken(error: BaseException) -> TerminalError:
    return TerminalError(
        f"a step of the join fails on too many events to be their fault: {type(error).__name__}",
        hint="This is a defect: report it with the traceback. Nothing is lost, the offsets stay uncommitted.",
    )
