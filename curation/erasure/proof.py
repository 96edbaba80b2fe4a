"""The proof that a person is gone: a scan of everything that is left, and the certificate of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import polars as pl

from curation.erasure.identify import held_by_others
from curation.erasure.place import TOMBSTONED, Place, Subject, needles_for
from curation.erasure.work import Work, work_path
from sinks.drops.marks import with_predecessors
from sinks.erasure.needles import SHORT, Needles
from sinks.erasure.person import Person
from sinks.erasure.scan import Scan, scan_folder, scan_lake
from sinks.push.copies import copies_of

NOT_COVERED: Final = (
    "Kafka topics: their retention or compaction deletes events; replayed ones are refused",
    "earlier versions that an object store keeps, backups, and copies of drops elsewhere: those that "
    "`tailrace drops push` made are in copies_outside, to be deleted by whoever can",
    "what trained models have learned",
)


def proof_needles(place: Place, subject: Subject, person: Person, work: Work) -> Needles:
    """What the scan looks for: all ids and pieces of text, but for what other people's texts hold too."""
    needles = needles_for(subject, person).without(work.common).with_texts(work.pieces)
    return needles.without(_said_by_others(place, subject, person))


def proven_again(place: Place, subject: Subject) -> Needles:
    """What a later scan can still look for: raw id, pseudonym, and ids by the keyed hashes that were kept."""
    person = place.person(subject)
    kept = place.lake.scan("erased_ids").select("id_kind", "id_hash").collect()
    hashed: dict[str, frozenset[str]] = {
        kind: frozenset(kept.filter(id_kind=kind)["id_hash"]) for kind in TOMBSTONED
    }
    needles = needles_for(subject, person).without(_said_by_others(place, subject, person))
    return needles.with_hashes(place.hashes.tombstone, hashed)


def _said_by_others(place: Place, subject: Subject, person: Person) -> Iterable[str]:
    """The raw user id, when other people's texts hold it: never in the work file, so it is tested anew."""
    if not subject.user_id or len(subject.user_id) < SHORT:
        return set()
    return held_by_others(place.lake, person, [subject.user_id])


def prove(place: Place, needles: Needles, erasure_id: str) -> Scan:
    """Read every file of the lake, the drops and the home folder. Changes nothing."""
    scan = Scan()
    scan_lake(place.lake, needles, scan)
    drops, home = place.drops_root, place.home
    scan_folder(drops, "drops", needles, scan)
    apart = [drops, work_path(home, erasure_id)]
    apart += [store.folder for store in place.lake.stores.all() if store.folder is not None]
    scan_folder(home, "home", needles, scan, leave_out=apart)
    return scan


def certificate(place: Place, subject: Subject, work: Work, scan: Scan, needles: Needles) -> dict[str, Any]:
    """What was done and what was found. Holds neither the user id nor any other id of the person."""
    return {
        "erasure_id": work.erasure_id,
        "absent": scan.clean,
        "requested_at": _moment(work.requested_us),
        "proven_at": _moment(place.clock_us()) if scan.clean else None,
        "code_version": version("tailrace"),
        "tables": {
            name: {
                **counts,
                "after": counts["before"] - counts["removed"],
                "now": _height(place, name),
                "files_removed": len(work.files.get(name, ())),
            }
            for name, counts in sorted(work.tables.items())
        },
        "logs_rewritten": {name: count for name, count in sorted(work.logs.items()) if count},
        "files_removed": {name: files for name, files in sorted(work.files.items()) if files},
        "other_files": work.other_files,
        "drops": work.drops,
        "models": work.models,
        "copies_outside": _copies(place, work),
        "no_longer_rebuildable": work.unbuildable,
        "looked_for": {
            **needles.counts(),
            "user_id": _how(subject, needles),
            "texts": work.texts,
            "in_texts_of_others": len(work.common),
        },
        "scan": scan.as_dict(),
        "not_covered": NOT_COVERED,
    }


def _copies(place: Place, work: Work) -> list[dict[str, Any]]:
    """Copies of the drops that held the person, and of those that these stood in for: they held them, too."""
    copies = copies_of(place.lake, with_predecessors(place.lake, list(work.drops)))
    return [{**copy, "pushed_at": copy["pushed_at"].isoformat()} for copy in copies]


def _how(subject: Subject, needles: Needles) -> str:
    """How the raw user id was looked for."""
    if subject.user_id is None:
        return "not given: only the pseudonym was looked for"
    if len(subject.user_id) < SHORT:
        return f"as a whole value of id columns: shorter than {SHORT} characters"
    if subject.user_id not in needles.within:
        return "as a whole value of id columns: other people's texts mention it"
    return "everywhere"


def _height(place: Place, name: str) -> int:
    return int(place.lake.scan(name).select(pl.len()).collect().item())


def _moment(us: int) -> str:
    return datetime.fromtimestamp(us / 1_000_000, UTC).isoformat()
