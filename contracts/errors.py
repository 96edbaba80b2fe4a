"""Typed errors. The type decides the retry: transient ones are retried, terminal ones stop the job.

Every error says what happened and, in ``hint``, what to do next. Messages never carry user text.
"""

from __future__ import annotations

from collections.abc import Sequence


class TailraceError(Exception):
    """Base of everything Tailrace raises on purpose.

    ``hint`` is one sentence that tells the reader what to do next; the command line prints it
    under the message.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class TransientError(TailraceError):
    """Something outside is unwell and may recover: retry with backoff."""


class TerminalError(TailraceError):
    """Retrying cannot help: stop, leave offsets uncommitted, tell a person."""


class SettingsError(TerminalError):
    """A setting is unknown, missing or out of range."""


class BrokerUnavailable(TransientError):
    """The Kafka cluster does not answer."""


class TopicsMismatch(TerminalError):
    """The topics on the broker do not have the shape the join needs."""


class LakeUnavailable(TransientError):
    """A Delta table could not be read or written right now."""


class CommitFenced(TransientError):
    """Another writer committed the same transaction id first: reload, filter again, retry."""


class PersonErased(TransientError):
    """Rows about to be written are of a person erased meanwhile: make them again from what is left."""


class RotationPending(TransientError):
    """This process has a newer pseudonym key than the lake: the rotation has yet to begin there."""


class KeyOutdated(TerminalError):
    """The lake is under a newer pseudonym key than this process knows: it may neither write nor look up."""


class ErasureRefused(TerminalError):
    """An erasure or a deletion may not go on: a legal hold, or a person that cannot be told."""


class Overtaken(TerminalError):
    """Another worker did this job meanwhile, or took it over: whoever sees this must leave it alone.

    `job` is the transaction id of what was lost, where a commit was refused.
    """

    def __init__(self, message: str, *, job: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.job = job


class LakeNotWritable(TerminalError):
    """The lake's root cannot be created or written."""


class TableInvalid(TerminalError):
    """Rows about to be written do not fit their table's schema."""


class DropInvalid(TerminalError):
    """A drop on disk or about to be published is not what its manifest says."""


class PushUnavailable(TransientError):
    """A destination of drops does not answer; what was sent stays, and the next push goes on."""


class PushRefused(TerminalError):
    """A destination of drops refuses, or holds something else under the name of a drop."""


class NotRebuildable(TerminalError):
    """A drop cannot be built again.

    `problems`: what is no longer there, or no longer the same, a line each.
    """

    def __init__(self, message: str, problems: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.problems = list(problems)


class LabelsInvalid(TerminalError):
    """Labels, verdicts or scores that were given are not what is needed of them."""


class JudgeUnavailable(TransientError):
    """The judge's endpoint did not answer, or asked us to slow down."""


class JudgeRefused(TerminalError):
    """The judge's endpoint rejects our requests: wrong key, unknown model, bad base URL."""


class WeightsInvalid(TerminalError):
    """A weights file of the score cannot be used or written."""


class FitRefused(TerminalError):
    """A fit is not good enough to replace the weights in force."""


class DeliveryFailed(TransientError):
    """An event was handed to the producer but the broker never acknowledged it."""


class EventInvalid(TailraceError):
    """An event breaks the contract.

    ``reason`` is a stable machine-readable code (see `contracts.reasons`), ``field`` a JSON path
    such as ``$.occurred_at`` (empty when the whole value is meant), ``detail`` a sentence without
    user text.
    """

    def __init__(self, reason: str, detail: str, *, field: str = "") -> None:
        super().__init__(f"{reason} at {field}: {detail}" if field else f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.field = field
