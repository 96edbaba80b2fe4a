"""Read the files of a drop as one: both splits together."""

from __future__ import annotations

from pathlib import Path

import polars as pl


def read_rows(folder: Path, kind: str) -> pl.DataFrame:
    """The rows of `preference` or `unpaired`, those for training first; no columns when there are none."""
    files = [folder / kind / f"{split}.parquet" for split in ("train", "validation")]
    there = [pl.read_parquet(file) for file in files if file.exists()]
    return pl.concat(there) if there else pl.DataFrame()


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name relative to it."""
    return {
        f.relative_to(folder).as_posix(): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()
    }
