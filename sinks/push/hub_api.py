"""What the Hub is asked, through `huggingface_hub`, and how its errors read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from contracts.errors import DropInvalid, PushRefused, PushUnavailable, SettingsError
from sinks.push.parcel import Piece, chunks_of
from sinks.push.target import Sent

TYPE: Final = "dataset"
ATTEMPTS: Final = 4
PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

Result = TypeVar("Result")


class Moved(Exception):
    """The branch is not where it was."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a commit, by the hashes the Hub has of it: `sha256` of large ones, else git's `blob`."""

    size: int
    blob: str
    sha256: str | None

    def holds(self, piece: Piece) -> bool:
        """Whether it is the same file."""
        if self.size != piece.bytes:
            return False
        return self.sha256 == piece.sha256 if self.sha256 is not None else self.blob == _git_hash(piece)


@dataclass(frozen=True)
class Refs:
    """Branches and tags, each with its commit."""

    branches: dict[str, str]
    tags: dict[str, str]


class HubApi:
    """One repository. Raises `PushUnavailable` after some attempts, `PushRefused` at once."""

    def __init__(self, repo: str, name: str, *, endpoint: str | None = None) -> None:
        """The token is the library's own affair (HF_TOKEN, `hf auth login`). Raises `SettingsError`."""
        try:
            from huggingface_hub import HfApi
        except ImportError:
            raise SettingsError(
                "pushing to a Hugging Face repository needs the package huggingface_hub",
                hint="pip install 'tailrace[push]'",
            ) from None
        self._repo: dict[str, Any] = {"repo_id": repo, "repo_type": TYPE}
        self._name = name
        self._api = HfApi(endpoint=endpoint, library_name="tailrace")

    def is_private(self) -> bool | None:
        """Whether only its owners can read it; None when it is not there, or not for us to see."""
        from huggingface_hub.errors import RepositoryNotFoundError

        def ask() -> bool | None:
            try:
                return bool(self._api.repo_info(**self._repo).private)
            except RepositoryNotFoundError:
                return None

        return self._asked(ask)

    def create(self, *, private: bool) -> None:
        """Make the repository, unless somebody just did."""
        self._asked(lambda: self._api.create_repo(**self._repo, private=private, exist_ok=True))

    def refs(self) -> Refs:
        """Branches and tags."""
        found = self._asked(lambda: self._api.list_repo_refs(**self._repo))
        return Refs(*({ref.name: ref.target_commit for ref in kind} for kind in (found.branches, found.tags)))

    def create_branch(self, branch: str) -> None:
        """Make a branch where `main` is."""
        self._asked(lambda: self._api.create_branch(**self._repo, branch=branch, exist_ok=True))

    def delete_branch(self, branch: str) -> None:
        """Delete a branch; one that cannot be deleted does no harm."""
        with suppress(PushRefused):
            self._asked(lambda: self._api.delete_branch(**self._repo, branch=branch))

    def tag(self, tag: str, commit: str) -> None:
        """Name a commit for good."""
        self._asked(lambda: self._api.create_tag(**self._repo, tag=tag, revision=commit, exist_ok=True))

    def files(self, commit: str) -> dict[str, RemoteFile]:
        """All files of a commit."""
        found = self._asked(
            lambda: list(self._api.list_repo_tree(**self._repo, revision=commit, recursive=True))
        )
        return {
            file.path: RemoteFile(file.size, file.blob_id, file.lfs.sha256 if file.lfs else None)
            for file in found
            if hasattr(file, "blob_id")
        }

    def read(self, path: str, commit: str) -> bytes:
        """A small file of a commit."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

        url = hf_hub_url(**self._repo, filename=path, revision=commit, endpoint=self._api.endpoint)

        def ask() -> bytes:
            answer = get_session().get(url, headers=build_hf_headers(), follow_redirects=True)
            hf_raise_for_status(answer)
            return bytes(answer.content)

        return self._asked(ask)

    def upload(self, pieces: Sequence[Piece], branch: str, sent: Sent) -> None:
        """Send large files to the Hub's store, one by one; those it has are not sent."""
        for piece in pieces:
            additions = [self._addition(piece)]
            self._asked(
                lambda one=additions: self._api.preupload_lfs_files(  # type: ignore[misc]
                    **self._repo, additions=one, revision=branch, free_memory=False
                )
            )
            sent(piece.bytes)

    def commit(
        self, message: str, pieces: Sequence[Piece], gone: Sequence[str], branch: str, *, parent: str
    ) -> str:
        """One commit that adds and deletes files, on top of `parent`. Raises `Moved` when that is not the
        branch's commit any more."""
        from huggingface_hub import CommitOperationDelete

        def make() -> str:
            operations = [
                *(self._addition(piece) for piece in pieces),
                *(CommitOperationDelete(name) for name in gone),
            ]
            made = self._api.create_commit(
                **self._repo,
                operations=operations,
                commit_message=message,
                revision=branch,
                parent_commit=parent,
            )
            return str(made.oid)

        return self._asked(make)

    def _addition(self, piece: Piece) -> Any:
        from huggingface_hub import CommitOperationAdd

        addition = CommitOperationAdd(piece.name, str(piece.path))
        if addition.upload_info.sha256.hex() != piece.sha256:
            # The Hub would take it, and show it before anybody could look.
            raise DropInvalid(
                f"{piece.name} changed while the drop was pushed",
                hint="Restore the drop's folder from a copy.",
            )
        return addition

    def _asked(self, ask: Callable[[], Result]) -> Result:
        patiently = Retrying(
            retry=retry_if_exception_type(PushUnavailable),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(0.5, 8),
            reraise=True,
        )
        result: Result = patiently(self._once, ask)
        return result

    def _once(self, ask: Callable[[], Result]) -> Result:
        import httpx

        with _quiet():
            try:
                return ask()
            except (OSError, RuntimeError, ValueError, httpx.HTTPError) as error:
                raise self._explained(error) from None

    def _explained(self, error: Exception) -> Exception:
        """An error of the Hub in our words: its own text quotes URLs."""
        import httpx
        from huggingface_hub.errors import HfHubHTTPError

        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, HfHubHTTPError):
                return self._refusal(cause.response.status_code)
        if any(isinstance(cause, httpx.TransportError | TimeoutError | ConnectionError) for cause in causes):
            return PushUnavailable(
                f"{self._name}: the Hub does not answer: {type(causes[-1]).__name__}",
                hint="What was sent stays there; push again to go on.",
            )
        return self._refusal(400) if isinstance(error, ValueError) else error

    def _refusal(self, status: int) -> Exception:
        if status in (409, 412):
            return Moved()
        if status in PASSING or status >= 500:
            return PushUnavailable(
                f"{self._name}: the Hub does not answer as it should: status {status}",
                hint="What was sent stays there; push again to go on.",
            )
        if status in (401, 403, 404):
            return PushRefused(
                f"{self._name}: the Hub refuses (status {status}), or there is no such repository or owner",
                hint="The token (HF_TOKEN, or `hf auth login`) must allow writing to it.",
            )
        return PushRefused(
            f"{self._name}: the Hub does not accept the files (status {status})",
            hint="Is the front matter of README.md valid, and the branch a plain name?",
        )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _git_hash(piece: Piece) -> str:
    digest = hashlib.sha1(f"blob {piece.bytes}\0".encode(), usedforsecurity=False)
    for chunk in chunks_of(piece.path):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's own progress bars."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()
