"""A dataset repository of a Hugging Face Hub that drops are pushed to.

A drop is one commit, so that no reader of the branch ever sees half of it, and a tag with the drop's id.
Large files go to the Hub's store before the commit, each by its SHA-256: what is there already is not sent
again, and a killed push goes on. (`upload_large_folder` would make a commit per batch of files.) A drop that
is older than the one on the branch, or is not to be its newest, gets its commit on a side branch that is
deleted once the tag holds it. What arrived is taken from the Hub's own hashes: SHA-256 of large files, git's
of small ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from contracts.errors import PushRefused, PushUnavailable
from sinks.drops.manifest import MANIFEST_FILE, SUMS_FILE
from sinks.push.destination import Destination
from sinks.push.hub_api import HubApi, Moved, RemoteFile
from sinks.push.parcel import Parcel, Piece
from sinks.push.target import Look, Options, Receipt

MAIN: Final = "main"
MOST_RACES: Final = 5
"""Other commits that may come first before this gives up."""


@dataclass(frozen=True)
class Head:
    """What a branch holds. manifest: of the drop on it; None when it holds no drop."""

    commit: str
    files: dict[str, RemoteFile]
    manifest: dict[str, Any] | None

    @property
    def drop_files(self) -> set[str]:
        """Files that belong to the drop on it."""
        if self.manifest is None:
            return set()
        return {*self.manifest["files"], SUMS_FILE, MANIFEST_FILE} & set(self.files)

    def differing(self, parcel: Parcel) -> list[Piece]:
        """Files of a parcel that are not there as they are."""
        return [p for p in parcel.pieces if p.name not in self.files or not self.files[p.name].holds(p)]


class HubTarget:
    """A repository, and the branch of it that shows the newest drop."""

    def __init__(self, destination: Destination, options: Options, *, endpoint: str | None = None) -> None:
        """Raises `SettingsError` when huggingface_hub is not installed."""
        self.name = destination.name
        self._branch = destination.branch or MAIN
        self._options = options
        self._api = HubApi(destination.place, self.name, endpoint=endpoint)
        self._moved = False

    def look(self, parcel: Parcel) -> Look:
        """By the tag, else by the branch."""
        visible = self._api.is_private()
        if visible is None:
            return Look((), parcel.pieces, whole=False)
        self._require_visibility(private=visible)
        refs = self._api.refs()
        if (tagged := refs.tags.get(parcel.drop_id)) is not None:
            differing = self._head(tagged).differing(parcel)
            if differing:
                return Look((), (), tuple(piece.name for piece in differing))
            return Look(parcel.pieces, (), commit=tagged)
        head = self._newest(refs.branches)
        if head is None:
            return Look((), parcel.pieces, whole=False)
        differing = head.differing(parcel)
        kept = tuple(piece for piece in parcel.pieces if piece not in differing)
        taken = self._taken(parcel, head)
        return Look(kept, tuple(differing), tuple(taken), whole=False)

    def send(self, parcel: Parcel, look: Look) -> Receipt:
        """Commit, check, tag."""
        if self._api.is_private() is None:
            self._api.create(private=self._options.private is not False)
        refs = self._api.refs()
        self._moved = self._may_move(parcel, self._newest(refs.branches))
        branch = self._branch if self._moved else f"push-{parcel.drop_id}"
        commit = self._commit(parcel, branch)
        self._api.tag(parcel.drop_id, commit)
        if not self._moved:
            self._api.delete_branch(branch)
        return Receipt(look.missing, commit=commit)

    def point(self, parcel: Parcel) -> bool:
        """Let the branch show the drop, unless it shows a later one."""
        if self._moved:
            return True
        head = self._newest(self._api.refs().branches)
        if not self._may_move(parcel, head) or (head is not None and not head.differing(parcel)):
            return False
        self._commit(parcel, self._branch)
        return True

    def _commit(self, parcel: Parcel, branch: str) -> str:
        """Make a branch hold a parcel; its commit. Whoever commits in between is looked at."""
        for _ in range(MOST_RACES):
            branches = self._api.refs().branches
            if branch not in branches:
                self._api.create_branch(branch)
                branches = self._api.refs().branches
            head = self._head(branches[branch])
            if branch == self._branch and self._newest(branches) is not None:
                if taken := self._taken(parcel, head):
                    Look((), (), tuple(taken)).require_free(parcel.drop_id, self.name)
                if not self._may_move(parcel, head):
                    raise PushUnavailable(f"{self.name}: a newer drop came first", hint="Push again.")
            if not (differing := head.differing(parcel)):
                return head.commit
            gone = sorted(head.drop_files - {piece.name for piece in parcel.pieces})
            self._api.upload(differing, branch, self._options.sent)
            try:
                commit = self._api.commit(
                    f"Drop {parcel.drop_id}", differing, gone, branch, parent=head.commit
                )
            except Moved:
                continue
            if lost := self._head(commit).differing(parcel):
                raise PushRefused(
                    f"{self.name} does not hold what was sent: {_names(lost)}",
                    hint="A .gitignore in the repository may leave files out.",
                )
            return commit
        raise PushUnavailable(f"{self.name}: others keep committing to {branch}", hint="Push again.")

    def _newest(self, branches: dict[str, str]) -> Head | None:
        """What the branch shows; None when it is not there, or has nothing of its own yet."""
        commit = branches.get(self._branch)
        just_made = self._branch != MAIN and commit == branches.get(MAIN)
        return None if commit is None or just_made else self._head(commit)

    def _head(self, commit: str) -> Head:
        files = self._api.files(commit)
        manifest = _manifest(self._api.read(MANIFEST_FILE, commit)) if MANIFEST_FILE in files else None
        return Head(commit, files, manifest)

    def _may_move(self, parcel: Parcel, head: Head | None) -> bool:
        """Whether the branch is to show this drop. Raises `PushRefused` where it shows another channel."""
        if not self._options.point or head is None or head.manifest is None:
            return self._options.point
        if head.manifest["channel"] != parcel.channel:
            raise PushRefused(
                f"{self.name}: {self._branch} holds drops of channel {head.manifest['channel']}",
                hint="Give each channel a repository or a branch (--revision) of its own.",
            )
        return bool(head.manifest["as_of"] <= parcel.as_of)

    def _taken(self, parcel: Parcel, head: Head) -> list[str]:
        """Names under which something that is no other drop's lies where a file of this one should."""
        own = head.manifest is not None and head.manifest["drop_id"] == parcel.drop_id
        others = set(head.files) - (set() if own else head.drop_files)
        return [piece.name for piece in head.differing(parcel) if piece.name in others]

    def _require_visibility(self, *, private: bool) -> None:
        if not private and self._options.private is not False:
            raise PushRefused(
                f"{self.name} is public: everybody can read what is pushed there",
                hint="Say --public if that is meant, or make the repository private.",
            )


def _manifest(data: bytes) -> dict[str, Any] | None:
    """Which drop a manifest is of; None when it is none of ours."""
    from sinks.push.files import as_of_manifest

    try:
        found = msgspec.json.decode(data, type=dict[str, Any])
        return {
            "drop_id": str(found["drop_id"]),
            "channel": str(found["channel"]),
            "as_of": as_of_manifest(data),
            "files": list(found["files"]),
        }
    except (ValueError, KeyError, TypeError, msgspec.DecodeError):
        return None


def _names(pieces: Sequence[Piece]) -> str:
    return ", ".join(piece.name for piece in pieces)
