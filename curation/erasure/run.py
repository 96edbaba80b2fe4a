"""Erasing a person, step by step; a run after a kill goes on where the last one was.

1. requested: find the person's ids, write the tombstones, and make every table demand that writers know them.
2. tables: take the person's rows out of every table.
3. drops: successors for the published drops that held any; reports and journals without the person.
4. vacuum: delete replaced and forgotten files that hold the person, and statistics in logs that name one.
5. proven: read everything that is left, and certify that nothing was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from contracts.tables.registry import ERASURE_STATES
from curation.erasure import steps
from curation.erasure.identify import identify
from curation.erasure.place import Place, Subject
from curation.erasure.proof import certificate, proof_needles, prove, proven_again
from curation.erasure.work import (
    Work,
    certificate_path,
    erasure_id,
    load_work,
    record,
    save,
    sweep_unwritten,
    work_path,
)
from sinks.drops.lock import exclusive
from sinks.erasure.person import Person
from sinks.erasure.states import newest_state


@dataclass(frozen=True)
class Erased:
    """What an erasure came to. `again`: it had been proven before, and was proven again."""

    erasure_id: str
    certificate: dict[str, Any]
    file: Path
    again: bool

    @property
    def absent(self) -> bool:
        """Whether the person is proven to be gone."""
        return bool(self.certificate["absent"])


def erase(place: Place, subject: Subject) -> Erased:
    """Erase a person and prove it; goes on where an earlier run stopped.

    Waits while a build runs under the same drops folder, and keeps builds waiting. Raises `ErasureRefused`
    under a legal hold, `CommitFenced` when other writers keep winning; run it again then.
    """
    with exclusive(place.drops_root):
        identifier = erasure_id(place.lake, subject.user_key)
        sweep_unwritten(place.home, identifier)
        state, work = newest_state(place.lake, identifier), load_work(place.home, identifier)
        if state is None or state["state"] != "proven":
            reached = -1 if state is None else ERASURE_STATES.index(state["state"])
            return _run(place, subject, work or _new_work(place, identifier), reached)
        if not steps.is_anywhere(place, identify(place.lake, place.person(subject))):
            return _again(place, subject, state)
        # Rows came in by a way that knows no tombstones, such as a table restored from a backup.
        return _run(place, subject, _new_work(place, identifier), -1)


def _new_work(place: Place, identifier: str) -> Work:
    now_us = place.clock_us()
    return Work(erasure_id=identifier, requested_us=now_us, round=now_us)


def _run(place: Place, subject: Subject, work: Work, reached: int) -> Erased:
    def reach(state: str) -> None:
        record(place.lake, work, subject.user_key, state, now_us=place.clock_us())
        place.step(state)

    person = place.person(subject, work.ids, work.loose)
    if reached < ERASURE_STATES.index("tables"):
        person = steps.request(place, subject, work)
        steps.take_rows(place, person, work)
        reach("tables")
    if reached < ERASURE_STATES.index("drops"):
        steps.replace_drops(place, person, work)
        steps.clean_other_files(place, subject, person, work)
        reach("drops")
    if reached < ERASURE_STATES.index("vacuum"):
        steps.purge_history(place, person, work)
        reach("vacuum")
    return _prove(place, subject, person, work)


def _prove(place: Place, subject: Subject, person: Person, work: Work) -> Erased:
    place.progress("reading everything that is left")
    needles = proof_needles(place, subject, person, work)
    scan = prove(place, needles, work.erasure_id)
    found = certificate(place, subject, work, scan, needles)
    file = certificate_path(place.home, work.erasure_id)
    save(file, found, mode=0o644)
    place.step("certificate")
    if scan.clean:
        record(place.lake, work, subject.user_key, "proven", now_us=place.clock_us(), certificate=found)
        place.step("proven")
        work_path(place.home, work.erasure_id).unlink(missing_ok=True)
    else:
        # The next run begins anew and takes out what was found.
        work.round = place.clock_us()
        steps.keep(place, work)
        record(place.lake, work, subject.user_key, "requested", now_us=work.round, variant="not proven")
    return Erased(work.erasure_id, found, file, again=False)


def _again(place: Place, subject: Subject, state: Mapping[str, Any]) -> Erased:
    identifier = str(state["erasure_id"])
    work_path(place.home, identifier).unlink(missing_ok=True)
    place.progress("reading everything that is left")
    needles = proven_again(place, subject)
    scan = prove(place, needles, identifier)
    found = {
        **msgspec.json.decode(state["certificate"], type=dict[str, Any]),
        "absent": scan.clean,
        "proven_again": {
            "at": datetime.fromtimestamp(place.clock_us() / 1_000_000, UTC).isoformat(),
            "looked_for": needles.counts(),
            "scan": scan.as_dict(),
        },
    }
    file = certificate_path(place.home, identifier)
    save(file, found, mode=0o644)
    return Erased(identifier, found, file, again=True)
