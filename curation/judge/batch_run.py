"""One call of `BatchAsker.ask`: which questions are out already, which are submitted, what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from contracts.errors import JudgeRefused
from curation.judge.asking import LiveAsker
from curation.judge.batch_api import BatchApi, BatchGone, BatchState
from curation.judge.batch_files import FileLimits, Rejection, Result, read_results, request_line
from curation.judge.batch_memory import BatchMemory, BatchRecord, new_marker
from curation.judge.batch_tally import Tally
from curation.judge.questions import Outcome, Question
from curation.judge.transport import CallFailed, Dialect, ItemFailed, Reply
from curation.judge.verdicts import UnjudgedReason

T = TypeVar("T")

_MISSING: Final[Mapping[str, tuple[UnjudgedReason, str]]] = {
    "expired": (UnjudgedReason.TIMEOUT, "the batch expired before its turn came"),
    "cancelled": (UnjudgedReason.UNAVAILABLE, "the batch was cancelled before its turn came"),
    "failed": (UnjudgedReason.REJECTED, "the endpoint turned the whole batch down"),
}
_LOST: Final = (UnjudgedReason.UNAVAILABLE, "the batch holds no answer to it")


@dataclass
class Flight(Generic[T]):
    """A batch that is out, and those of its questions that are asked in this run, by custom id."""

    record: BatchRecord
    asked: dict[str, Question[T]]
    ours: bool
    answered: int = 0


class BatchRun(Generic[T]):
    """The batches of one call; `start`, then `look` until nothing is `out`."""

    def __init__(
        self, tally: Tally[T], api: BatchApi, memory: BatchMemory, *, live: LiveAsker, limits: FileLimits
    ) -> None:
        self._tally = tally
        self._api = api
        self._memory = memory
        self._live = live
        self._parameters = live.instrument.parameters
        self._base_url = live.instrument.endpoint.base_url
        self._limits = limits
        self._dialect = Dialect()
        self._flights: list[Flight[T]] = []
        self._waiting: list[str] = []
        self._one_at_a_time = False
        self.asked = 0

    @property
    def out(self) -> int:
        """Questions that are in batches, or wait to be."""
        return sum(len(f.asked) for f in self._flights) + len(self._waiting)

    @property
    def answered(self) -> int:
        """Questions that are in no batch any more, or that the endpoint says it has answered."""
        return self.asked - self.out + sum(min(f.answered, len(f.asked)) for f in self._flights)

    def start(self) -> None:
        """Find what is out already, reserve the budget for the rest, and submit it."""
        with self._memory.lock():
            new = self._claimed()
            self._waiting = [name for name in new if self._tally.admit(name)]
            self.asked = self.out
            self._submit()

    def look(self) -> float:
        """See how every batch stands, take in those that are over; returns the wait asked for, seconds."""
        wait = 0.0
        for flight in list(self._flights):
            try:
                state = self._api.state(flight.record.batch_id or "")
                files = [self._api.content(file) for file in state.files] if state.over else []
            except BatchGone:
                self._flights.remove(flight)
                self._lost(flight)
            except JudgeRefused as refused:
                self._flights.remove(flight)
                self._tally.refuse(refused, flight.asked)
            except CallFailed as failed:
                # The batch goes on whether or not we can see it.
                wait = max(wait, failed.retry_after or 0.0)
            except ItemFailed as failed:
                self._flights.remove(flight)
                self._tally.fail(flight.asked, failed.reason, f"its batch cannot be looked at: {failed}")
            else:
                flight.answered = state.answered
                if state.over:
                    self._flights.remove(flight)
                    self._take_in(flight, state, files)
        self._submit()
        return wait

    def give_up(self) -> None:
        """Stop waiting: what is in batches stays there, what is not yet is not asked."""
        for flight in self._flights:
            detail = "its batch goes on at the endpoint; the next run fetches it"
            self._tally.leave(flight.asked, UnjudgedReason.PENDING, detail)
        self._flights = []
        self._fail_waiting(UnjudgedReason.RATE_LIMITED, "the endpoint's queue of batches was full")

    def _claimed(self) -> list[str]:
        """Take up the batches that hold questions of ours; returns the questions to be submitted."""
        open_ = dict(self._tally.questions)
        for record in self._memory.records(self._base_url):
            if self._memory.outlived(record):
                self._forget(record)
                continue
            if record.model == self._parameters.model:
                self._dialect = replace(record.dialect)
            mine = {name: open_[name] for name in record.requests if name in open_}
            if mine and self._found(record, mine):
                self._flights.append(Flight(record, mine, ours=False))
                for name in mine:
                    del open_[name]
                    # What is out will be paid, whether the budget of this run likes it or not.
                    self._tally.reserve(name)
        return [name for name in open_ if not self._tally.has_outcome(name)]

    def _found(self, record: BatchRecord, mine: Iterable[str]) -> bool:
        """Whether a batch was made of a record; its maker may have been killed before it knew."""
        if record.batch_id is not None:
            return True
        try:
            state = self._api.find(record.marker, not_before=record.created_at)
        except JudgeRefused as refused:
            self._tally.refuse(refused, mine)
            return False
        except (CallFailed, ItemFailed) as failed:
            # Asking again now might pay twice.
            self._tally.fail(mine, failed.reason, f"it is not known whether its batch was made: {failed}")
            return False
        if state is None:
            self._forget(record)
            return False
        record.batch_id = state.id
        self._memory.remember(record)
        return True

    def _submit(self) -> None:
        """Submit what waits, file by file."""
        while self._waiting and not (self._one_at_a_time and self._flights):
            if self._tally.refused is not None:
                self._tally.refuse(self._tally.refused, self._waiting)
                self._waiting = []
                return
            questions = self._tally.questions
            file, too_long = self._limits.fill(
                (name, request_line(name, questions[name], self._parameters, self._dialect))
                for name in self._waiting
            )
            self._tally.fail(too_long, UnjudgedReason.TOO_LONG, "it does not fit in a file of the Batch API")
            gone = {*file, *too_long}
            self._waiting = [name for name in self._waiting if name not in gone]
            if file:
                self._submit_file(file)

    def _submit_file(self, file: dict[str, bytes]) -> None:
        """Make one batch. It is remembered before anything is sent, and after everything that is."""
        record = BatchRecord(
            marker=new_marker(),
            base_url=self._base_url,
            model=self._parameters.model,
            requests=list(file),
            dialect=replace(self._dialect),
            created_at=self._memory.clock(),
        )
        self._memory.remember(record)
        try:
            record.input_file_id = self._api.upload(b"".join(file.values()))
            self._memory.remember(record)
            state = self._api.create(record.input_file_id, record.marker, not_before=record.created_at)
        except JudgeRefused as refused:
            self._tally.refuse(refused, file)
        except (CallFailed, ItemFailed) as failed:
            # What else waits would meet the same, after all the retries.
            self._waiting[:0] = file
            self._fail_waiting(failed.reason, f"its batch could not be made: {failed}")
        else:
            record.batch_id = state.id
            self._memory.remember(record)
            self._flights.append(
                Flight(record, {name: self._tally.questions[name] for name in file}, ours=True)
            )
            return
        if record.input_file_id is None:
            # Else it may have been made all the same: the next run looks for it.
            self._memory.forget(record)

    def _lost(self, flight: Flight[T]) -> None:
        """The endpoint knows the batch no more: ask again, unless it was made just now."""
        self._forget(flight.record)
        if flight.ours:
            self._tally.fail(flight.asked, *_LOST)
        else:
            self._waiting += [name for name in flight.asked if self._tally.admit(name)]

    def _take_in(self, flight: Flight[T], state: BatchState, files: Sequence[bytes]) -> None:
        """Hand out what a batch that is over came to; forget it when it holds nothing more of use."""
        record = flight.record
        record.file_ids = list(state.files)
        if state.queue_full:
            self._forget(record)
            self._wait_for_room(flight)
            return
        if state.refused:
            self._forget(record)
            self._tally.refuse(state.refusal(), flight.asked)
            return
        results = read_results(files)
        missing = CallFailed(*_MISSING.get(state.status, _LOST))
        to_mend: dict[str, str] = {}
        for name in flight.asked:
            content = self._take(name, results.get(name, missing), record.dialect)
            if content is not None:
                to_mend[name] = content
        self._mend(to_mend)
        # Those nobody asked for in this run may be asked for in another.
        record.requests = [
            name
            for name in record.requests
            if isinstance(results.get(name), Reply)
            and (name not in flight.asked or self._tally.has_answer(name))
        ]
        self._delivered(record)

    def _take(self, name: str, result: Result, dialect: Dialect) -> str | None:
        """Take in one line; a reply that does not fit its form is returned."""
        if isinstance(result, Reply):
            return self._tally.read(name, result)
        if isinstance(result, Rejection):
            if self._dialect.narrow(result.status, result.complaint, dialect):
                self._waiting.append(name)
                return None
            error = result.error
            if isinstance(error, JudgeRefused):
                self._tally.refuse(error, [name])
                return None
        else:
            error = result
        reason = error.reason if isinstance(error, CallFailed | ItemFailed) else UnjudgedReason.REJECTED
        self._tally.fail([name], reason, str(error))
        return None

    def _mend(self, contents: Mapping[str, str]) -> None:
        """Repair answers that do not fit their form, live."""
        questions = [self._tally.questions[name] for name in contents]
        names = {question.key: name for question, name in zip(questions, contents, strict=True)}
        replies = {key: contents[name] for key, name in names.items()}

        def tell(outcome: Outcome[T]) -> None:
            self._tally.tell_mended(outcome, names)

        try:
            self._live.mend(questions, replies, on_outcome=tell)
        except JudgeRefused as refused:
            # Every question has its outcome already.
            self._tally.refused = refused

    def _wait_for_room(self, flight: Flight[T]) -> None:
        """Too much is queued at the endpoint: one batch at a time from now on, smaller if it was alone."""
        self._one_at_a_time = True
        self._waiting[:0] = flight.asked
        if self._flights:
            return
        if len(flight.asked) > 1:
            self._limits = replace(self._limits, requests=len(flight.asked) // 2)
        else:
            self._fail_waiting(UnjudgedReason.RATE_LIMITED, "the endpoint's queue of batches is full")

    def _fail_waiting(self, reason: UnjudgedReason, detail: str) -> None:
        self._tally.fail(self._waiting, reason, detail)
        self._waiting = []

    def _delivered(self, record: BatchRecord) -> None:
        """A batch's answers were handed out. Until they are surely stored, it can be fetched again."""
        if not record.requests:
            self._forget(record)
            return
        if record.input_file_id is not None:
            self._api.delete(record.input_file_id)
        record.input_file_id = None
        record.delivered_at = self._memory.clock()
        self._memory.remember(record)

    def _forget(self, record: BatchRecord) -> None:
        """Forget a batch, and have the endpoint delete its files: they quote users."""
        self._memory.forget(record)
        for file in filter(None, [record.input_file_id, *record.file_ids]):
            self._api.delete(file)
