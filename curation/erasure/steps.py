"""The steps of an erasure. Each can be repeated: what is done already is seen and left alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from contracts.errors import CommitFenced, ErasureRefused
from contracts.tables.persons import ID_KINDS
from curation.erasure.identify import held_by_others, identify, own_texts
from curation.erasure.other_files import clean_home
from curation.erasure.place import Place, Subject, departure, needles_for
from curation.erasure.successors import affected, clear, supersede, sweep
from curation.erasure.work import Work, record, remember_ids, save, work_path
from curation.nightly import CODE_VERSION
from curation.retention.holds import holding
from sinks.drops.manifest import stable_hash
from sinks.drops.rebuildable import unbuildable
from sinks.erasure.history import purge
from sinks.erasure.needles import pieces
from sinks.erasure.person import Person
from sinks.erasure.rewriting import MOST_ATTEMPTS, PAUSE_S, Rewritten, look, rewrite
from sinks.judge_journal import FOLDER, adopt
from sinks.maintenance_compaction import set_properties
from sinks.openlineage import Emitter
from sinks.tombstones import ERASED_KEY

REASON: Final = "erasure"
MOST_ROUNDS: Final = 5


def request(place: Place, subject: Subject, work: Work) -> Person:
    """Find the ids, keep them, write the tombstones, fence every table; until nothing new turns up.

    A writer may have added rows between the search and the fence; none does after it. Raises
    `ErasureRefused` under a legal hold.
    """
    # What dead judges were paid for becomes rows, and is found as such.
    adopt(place.home / FOLDER, place.lake)
    person = place.person(subject, work.ids, work.loose)
    for number in range(MOST_ROUNDS):
        place.progress("looking for the person")
        found = identify(place.lake, person)
        drops = [drop.drop_id for drop in affected(place.lake, place.drops_root, found)]
        if held := holding(place.lake, found, drops):
            raise ErasureRefused(
                f"a legal hold forbids it: {', '.join(held)}",
                hint="`tailrace retention holds` lists them, `tailrace retention release` ends one.",
            )
        ids: dict[str, list[str]] = {kind: sorted(found.of(kind)) for kind in ID_KINDS if kind != "user"}
        if number and ids == work.ids:
            break
        person, work.ids, work.loose = found, ids, sorted(found.loose)
        _note_texts(place, person, work)
        keep(place, work)
        place.step("identified")
        remember_ids(place.lake, work.erasure_id, _hashed(place, person))
        place.step("tombstones")
        variant = stable_hash(ids)[:12]
        record(place.lake, work, subject.user_key, "requested", now_us=place.clock_us(), variant=variant)
        place.step("requested")
        _fence(place)
        place.step("fenced")
    return person


def _hashed(place: Place, person: Person) -> dict[str, list[str]]:
    """Keyed hashes of what names no user: sessions, requests, and events that nothing else tells."""
    known = {"session": person.of("session"), "request": person.of("request"), "event": person.loose}
    return {kind: [place.hashes.tombstone(kind, i) for i in sorted(ids)] for kind, ids in known.items()}


def _note_texts(place: Place, person: Person, work: Work) -> None:
    """Keep pieces of the person's texts that nobody else's texts hold, and which ids others' texts do."""
    texts = own_texts(place.lake, person)
    work.texts = max(work.texts, len(texts))
    known = {*work.pieces, *pieces(texts)}
    ids = needles_for(Subject(person.user_key), person).within
    common = held_by_others(place.lake, person, [*known, *ids])
    work.pieces, work.common = sorted(known - common), sorted(common & set(ids))


def _fence(place: Place) -> None:
    """Make every table that can hold people demand that writers know the newest tombstones."""
    version = str(place.lake.version("erasures"))
    patiently = Retrying(
        retry=retry_if_exception_type(CommitFenced),
        stop=stop_after_attempt(MOST_ATTEMPTS),
        wait=wait_fixed(PAUSE_S),
        reraise=True,
    )
    for name in place.tables:
        if place.lake.table(name).metadata().configuration.get(ERASED_KEY) != version:
            patiently(set_properties, place.lake, name, {ERASED_KEY: version})


def take_rows(place: Place, person: Person, work: Work) -> None:
    """Take the person's rows out of every table."""
    for name in place.tables:
        place.progress(f"rows of {name}")
        done = rewrite(
            place.lake,
            name,
            departure(name, person),
            place.settings.lake,
            reason=REASON,
            about_to=partial(_intend, place, work, name),
        )
        # A run that was killed after its commit could not note it any more: nothing is left to be changed.
        earlier = work.intended.pop(name, None)
        counts = earlier if earlier and not done.files else done.counts()
        if done.files or earlier:
            work.replaced_us = place.clock_us()
        sum_of = work.tables.get(name, {})
        work.tables[name] = {
            "before": sum_of.get("before", counts["before"]),
            "removed": sum_of.get("removed", 0) + counts["removed"],
            "altered": sum_of.get("altered", 0) + counts["altered"],
        }
        keep(place, work)
        place.step(f"tables:{name}")


def _intend(place: Place, work: Work, name: str, change: Rewritten) -> None:
    work.intended[name] = change.counts()
    keep(place, work)


def replace_drops(place: Place, person: Person, work: Work) -> None:
    """Successors for the published drops that hold rows of the person, whose own files go."""
    lake, root = place.lake, place.drops_root
    sweep(lake, root)
    now = datetime.fromtimestamp(place.clock_us() / 1_000_000, UTC)
    lineage = Emitter.from_settings(place.settings, code_version=CODE_VERSION)
    for drop in affected(lake, root, person):
        place.progress(f"drop {drop.drop_id}")
        supersede(
            lake, root, drop, person, erasure_id=work.erasure_id, now=now, step=place.step, lineage=lineage
        )
    # From the marks, not from what was just done: a run may have been killed while it cleared a folder.
    marks = lake.scan("drop_marks").filter(erasure_id=work.erasure_id).collect()
    for mark in marks.iter_rows(named=True):
        clear(root / mark["drop_id"], mark["drop_id"], mark["successor_id"], work.erasure_id)
        work.drops[mark["drop_id"]] = {
            "successor": mark["successor_id"],
            "rows": mark["removed_rows"],
            "models": mark["models"],
        }
    keep(place, work)


def clean_other_files(place: Place, subject: Subject, person: Person, work: Work) -> None:
    """Reports and journals of the home folder without the person."""
    needles = needles_for(subject, person).without(work.common).with_texts(work.pieces)

    def note(name: str) -> None:
        work.other_files = sorted({*work.other_files, name})
        keep(place, work)

    clean_home(place.home, needles, frozenset(person.of("content")), about_to=note)
    place.step("files")


def purge_history(place: Place, person: Person, work: Work) -> None:
    """Delete replaced and forgotten files that hold the person, and statistics in logs that name one."""
    _wait_for_readers(place, work)
    for name in place.tables:
        place.progress(f"history of {name}")
        gone = purge(place.lake, name, person, about_to=partial(_note_files, place, work, name))
        work.logs[name] = work.logs.get(name, 0) + len(gone.logs)
        keep(place, work)
        place.step(f"vacuum:{name}")
    work.unbuildable = unbuildable(place.lake, {name: set(files) for name, files in work.files.items()})
    keep(place, work)


def _note_files(place: Place, work: Work, name: str, files: Sequence[str]) -> None:
    """Keep which files go before they do: afterwards nobody could say which drops need them."""
    work.files[name] = sorted({*work.files.get(name, ()), *files})
    keep(place, work)


def _wait_for_readers(place: Place, work: Work) -> None:
    """Leave replaced files to readers that began before they were replaced."""
    until = work.replaced_us / 1_000_000 + place.settings.retention.grace_seconds
    if work.replaced_us and (left := until - place.clock_us() / 1_000_000) > 0:
        place.progress("waiting for readers")
        place.wait(left)


def is_anywhere(place: Place, person: Person) -> bool:
    """Whether rows of the person are in a table or in a published drop."""
    tables = any(look(place.lake, name, departure(name, person)).files for name in place.tables)
    return tables or bool(affected(place.lake, place.drops_root, person))


def keep(place: Place, work: Work) -> None:
    """Write the work file."""
    save(work_path(place.home, work.erasure_id), work)
