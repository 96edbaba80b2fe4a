"""Where the files of a drop lie.

Train and validation are files of their own, named so that `datasets.load_dataset(folder / "sft")` takes them
for splits: it finds the words `train` and `validation` in file names. One folder per type of file, as a data
set has one set of columns. A file without rows is not written: `datasets` refuses Parquet files without any.
Source: Hugging Face documentation, "Structure your repository" (split names in file names).
"""

from __future__ import annotations

from typing import Final

SPLITS: Final = ("train", "validation")

PREFERENCE_FILE: Final = "preference/{}.parquet"
UNPAIRED_FILE: Final = "unpaired/{}.parquet"
SFT_FILE: Final = "sft/{}.parquet"
PROMPTS_FILE: Final = "prompts/{}.parquet"
OPENAI_PREFERENCE_FILE: Final = "openai/preference/{}.jsonl"
OPENAI_SFT_FILE: Final = "openai/sft/{}.jsonl"
PROVENANCE_FILE: Final = "provenance.parquet"

MAIN_FILES: Final = {"preference": PREFERENCE_FILE, "unpaired": UNPAIRED_FILE}
"""Where the row of each `kind` stands whole: these files and the provenance hold all that a drop is."""

ROW_COLUMNS: Final = {
    "sft_row": SFT_FILE,
    "prompts_row": PROMPTS_FILE,
    "openai_preference_row": OPENAI_PREFERENCE_FILE,
    "openai_sft_row": OPENAI_SFT_FILE,
}
"""Columns of the provenance that say which row of a further file (the one of its `split`) an example is."""
