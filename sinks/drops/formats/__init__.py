"""The training files of a drop. Same rows in, same bytes out.

`write_files` writes them; the names below are what readers of a drop need to know of their layout.
"""

from sinks.drops.formats.layout import (
    OPENAI_PREFERENCE_FILE,
    OPENAI_SFT_FILE,
    PREFERENCE_FILE,
    PROMPTS_FILE,
    PROVENANCE_FILE,
    ROW_COLUMNS,
    SFT_FILE,
    SPLITS,
    UNPAIRED_FILE,
)
from sinks.drops.formats.provenance import PROVENANCE_SCHEMA
from sinks.drops.formats.writing import Written, write_files

__all__ = [
    "OPENAI_PREFERENCE_FILE",
    "OPENAI_SFT_FILE",
    "PREFERENCE_FILE",
    "PROMPTS_FILE",
    "PROVENANCE_FILE",
    "PROVENANCE_SCHEMA",
    "ROW_COLUMNS",
    "SFT_FILE",
    "SPLITS",
    "UNPAIRED_FILE",
    "Written",
    "write_files",
]
