"""Where a drop is pushed to, as people write it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from contracts.errors import SettingsError

Kind = Literal["folder", "object_store", "hub"]

STORES: Final = ("s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss")
"""Schemes of object stores, as obstore has them."""

_CONTAINER_AT_ACCOUNT: Final = ("abfs", "abfss")
"""Schemes whose URLs name the container where others have a user."""

_HUB: Final = re.compile(r"datasets/(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[^@\s]+))?/?")
_FORMS: Final = (
    "Give a folder, an object store (s3://, gs://, az://) or a Hugging Face repository "
    "(hf://datasets/ORG/NAME[@BRANCH])."
)


@dataclass(frozen=True)
class Destination:
    """A place for drops.

    place: the absolute folder, the URL of the store's prefix, or ORG/NAME of the repository. branch: of a
    repository. Holds no credentials: URLs with any are refused.
    """

    kind: Kind
    place: str
    branch: str | None = None

    @property
    def name(self) -> str:
        """As people write it, and as `pushes` keeps it."""
        if self.kind == "folder":
            return self.place
        return self.place if self.kind == "object_store" else f"hf://datasets/{self.place}"


def parse(text: str, *, branch: str | None = None) -> Destination:
    """A destination from what a person wrote; `branch` stands for `@BRANCH`. Raises `SettingsError`."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        found = Destination("folder", str(_absolute(text)))
    elif scheme == "file":
        found = Destination("folder", str(_absolute(unquote(_folder(rest)))))
    elif scheme == "hf":
        return _hub(rest, branch)
    elif scheme in STORES:
        found = Destination("object_store", _store(scheme, text))
    else:
        raise SettingsError("the destination is of no known kind", hint=_FORMS)
    if branch is not None:
        raise SettingsError("--revision is for Hugging Face repositories only", hint="Leave it out.")
    return found


def _absolute(text: str) -> Path:
    if not text:
        raise SettingsError("the destination is empty", hint=_FORMS)
    return Path(text).expanduser().absolute()


def _folder(rest: str) -> str:
    host, _, path = rest.partition("/")
    if host not in ("", "localhost"):
        raise SettingsError("file:// names another machine", hint="Write file:///path, or just /path.")
    return f"/{path}"


def _hub(rest: str, branch: str | None) -> Destination:
    found = _HUB.fullmatch(rest)
    if found is None:
        raise SettingsError(
            "that is no Hugging Face dataset repository", hint="Write hf://datasets/ORG/NAME[@BRANCH]."
        )
    if branch is not None and found["revision"] not in (None, branch):
        raise SettingsError("two branches are given", hint="Give one, as @BRANCH or as --revision.")
    return Destination("hub", found["repo"], branch or found["revision"])


def _store(scheme: str, text: str) -> str:
    parts = urlsplit(text)
    userinfo = "@" in parts.netloc and scheme not in _CONTAINER_AT_ACCOUNT
    # A signature of a shared URL is in its query.
    if userinfo or ":" in parts.netloc.partition("@")[0] or parts.query or parts.fragment:
        raise SettingsError(
            "the destination holds credentials or a query",
            hint="Leave them out: keys come from the environment (AWS_…, GOOGLE_…, AZURE_…).",
        )
    if not parts.netloc:
        raise SettingsError("the destination names no bucket", hint=f"Write {scheme}://BUCKET/PREFIX.")
    path = "/".join(part for part in parts.path.split("/") if part)
    return f"{scheme}://{parts.netloc}/{path}".rstrip("/")
