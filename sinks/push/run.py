"""Pushing a published drop to a place outside, in this order:

1. Refuse a superseded drop; check every byte of it.
2. Look what is there: the right bytes are kept, anything else under a name of the drop ends it.
3. Note in `pushes` that the push begins, and look again whether the drop is in force: an erasure that ran
   meanwhile either sees the note, or is seen here.
4. Send what is missing, each file checked on arrival, the manifest last.
5. Move the channel's pointer, forward only.
6. Note that the copy is whole.

All state is at the destination: a push that was killed is gone on with by running it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.errors import DropInvalid, PushRefused
from sinks.drops.marks import superseded
from sinks.drops.publish import published
from sinks.lake import Lake
from sinks.push.copies import BEGUN, COMPLETE, record
from sinks.push.destination import Destination
from sinks.push.parcel import Parcel, Piece, pack
from sinks.push.target import Look, Receipt, Target


@dataclass(frozen=True)
class Pushed:
    """What a push came to. moved: whether `LATEST` (or the branch) names the drop now and did not before."""

    parcel: Parcel
    destination: Destination
    sent: tuple[Piece, ...]
    kept: tuple[Piece, ...]
    commit: str | None
    moved: bool
    dry_run: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        sent = {piece.name for piece in self.sent}
        return {
            "drop_id": self.parcel.drop_id,
            "destination": self.destination.name,
            "branch": self.destination.branch,
            "commit": self.commit,
            "dry_run": self.dry_run,
            "sent": len(self.sent),
            "sent_bytes": sum(piece.bytes for piece in self.sent),
            "kept": len(self.kept),
            "latest_moved": self.moved,
            "files": [
                {"name": p.name, "bytes": p.bytes, "sha256": p.sha256, "sent": p.name in sent}
                for p in self.parcel.pieces
            ],
        }


def prepare(lake: Lake, drops_root: Path, drop_id: str) -> Parcel:
    """Check a drop and pack it. Raises `DropInvalid` when it is superseded, damaged or not there."""
    row = published(lake, drop_id)
    if row is None:
        raise DropInvalid(
            f"there is no drop {drop_id}", hint="`tailrace drops list` shows the published ones."
        )
    _require_in_force(lake, drop_id)
    return pack(drops_root, row)


def push(
    lake: Lake,
    parcel: Parcel,
    destination: Destination,
    target: Target,
    *,
    point: bool = True,
    dry_run: bool = False,
    looked: Callable[[Look], None] = lambda _: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Pushed:
    """Make a destination hold a drop; a second time nothing is sent. `looked` is told what is there.

    Raises `PushUnavailable` (run it again), `PushRefused`, `DropInvalid` when an erasure superseded the drop
    meanwhile.
    """
    look = target.look(parcel)
    look.require_free(parcel.drop_id, target.name)
    looked(look)
    if dry_run:
        return Pushed(parcel, destination, look.missing, look.kept, look.commit, False, dry_run=True)
    receipt = Receipt((), (), look.commit)
    if not look.whole:
        record(lake, parcel, destination.name, BEGUN, now=clock(), branch=destination.branch)
        _require_in_force(lake, parcel.drop_id)
        try:
            receipt = target.send(parcel, look)
        except (OSError, PushRefused):
            # An erasure takes a superseded drop's files away; that is the reason then.
            _require_in_force(lake, parcel.drop_id)
            raise
    moved = target.point(parcel) if point else False
    record(
        lake,
        parcel,
        destination.name,
        COMPLETE,
        now=clock(),
        branch=destination.branch,
        commit=receipt.commit,
    )
    if superseded(lake).get(parcel.drop_id):
        raise DropInvalid(
            f"drop {parcel.drop_id} was superseded while it was pushed to {target.name}",
            hint="Delete that copy: it holds rows of an erased person. Then push the successor.",
        )
    kept = (*look.kept, *receipt.kept)
    return Pushed(parcel, destination, receipt.sent, kept, receipt.commit, moved)


def _require_in_force(lake: Lake, drop_id: str) -> None:
    if (successor := superseded(lake).get(drop_id)) is not None:
        raise DropInvalid(
            f"drop {drop_id} is superseded and not pushed: it held rows of an erased person",
            hint=f"Push {successor}, which stands in for it.",
        )
