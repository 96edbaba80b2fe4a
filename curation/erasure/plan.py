"""What erasing a person would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.tables.persons import ID_KINDS
from curation.erasure.identify import identify
from curation.erasure.place import Place, Subject, departure
from curation.erasure.successors import Affected, affected, models_of
from curation.erasure.work import erasure_id
from curation.retention.holds import holding
from sinks.drops.marks import with_predecessors
from sinks.erasure.rewriting import look
from sinks.erasure.states import newest_state
from sinks.push.copies import copies_of


@dataclass(frozen=True)
class Plan:
    """What an erasure would do. `tables`: table → rows looked at, removed and altered, where there are any.

    `state` is how far an earlier run came, None when there was none. `copies` of drops outside are out of its
    reach. `holds` forbid it.
    """

    erasure_id: str
    state: str | None
    tables: Mapping[str, Mapping[str, int]]
    ids: Mapping[str, int]
    drops: tuple[Affected, ...]
    models: tuple[str, ...]
    copies: tuple[dict[str, Any], ...]
    holds: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "erasure_id": self.erasure_id,
            "state": self.state,
            "tables": self.tables,
            "ids": self.ids,
            "drops": [{"drop_id": d.drop_id, "channel": d.channel, "rows": d.rows} for d in self.drops],
            "models": self.models,
            "copies_outside": self.copies,
            "holds": self.holds,
        }


def plan(place: Place, subject: Subject) -> Plan:
    """What erasing a person would do; changes nothing. Raises `LakeUnavailable`, `LakeDamaged`."""
    lake, identifier = place.lake, erasure_id(place.lake, subject.user_key)
    person = identify(lake, place.person(subject))
    seen = {name: look(lake, name, departure(name, person)) for name in place.tables}
    drops = affected(lake, place.drops_root, person)
    state = newest_state(lake, identifier)
    return Plan(
        erasure_id=identifier,
        state=None if state is None else str(state["state"]),
        tables={name: done.counts() for name, done in seen.items() if done.files},
        ids={kind: len(person.of(kind)) for kind in ID_KINDS if kind != "user"},
        drops=tuple(drops),
        models=tuple(models_of(lake, [drop.drop_id for drop in drops])),
        copies=tuple(copies_of(lake, with_predecessors(lake, [drop.drop_id for drop in drops]))),
        holds=tuple(holding(lake, person, [drop.drop_id for drop in drops])),
    )
