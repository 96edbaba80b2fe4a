"""Texts of the requests a build looks at, sorted by session into scratch files.

One pass over the lake writes a file per bucket of sessions. Whatever needs texts then works on one bucket
after the other, here or on other machines, so memory is bounded by a bucket however large the lake is. All
requests of a session lie in one bucket. How many buckets there are changes no byte of a drop.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from contracts.errors import LakeNotWritable
from sinks.lake import Lake

ROWS_PER_BUCKET: Final = 20_000
"""About 100 MB of memory while a bucket of texts of 1.5 KB is worked on."""
MOST_BUCKETS: Final = 256

SCRATCH: Final = ".texts-"

TEXT_SCHEMA: Final = pl.Schema(
    {
        "request_id": pl.String(),
        "session_id": pl.String(),
        "occurred_at": pl.Datetime("us", "UTC"),
        "input_messages": pl.String(),
        "output_messages": pl.String(),
        "tools": pl.String(),
        "edit_text": pl.String(),
    }
)
"""Rows of a bucket, in order of session, time and id. Messages in their stored form (`contracts.messages`);
`tools` as JSON; `edit_text` is the last edit of the response, null when there is none."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Scratch files with the texts of `counts[i]` requests each."""

    folder: Path
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.counts)

    def raw(self, bucket: int) -> Path:
        """Where the texts of a bucket lie as the lake has them."""
        return self.folder / f"raw={bucket}"

    def ready(self, bucket: int) -> Path:
        """Where the texts of a bucket lie as training rows may show them."""
        return self.folder / f"ready={bucket}.parquet"


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """A folder for texts that goes when the build ends; what a killed build left goes first.

    The caller holds the build lock of `root`, so nobody else's texts are swept away.
    """
    try:
        for left in root.glob(f"{SCRATCH}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=root))
    except OSError as error:
        raise LakeNotWritable(
            f"the drops folder {root} cannot be written: {error.strerror}",
            hint="Choose another --home (or TAILRACE_LAKE__DROPS_ROOT) or correct its permissions.",
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def bucket_count(rows: int, *, rows_per_bucket: int = ROWS_PER_BUCKET) -> int:
    """How many buckets to sort so many rows into."""
    return max(1, min(MOST_BUCKETS, -(-rows // rows_per_bucket)))


def with_bucket(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """Add `bucket` (UInt32): equal for equal sessions, and only within this process."""
    return rows.with_columns(bucket=(pl.col("session_id").hash() % count).cast(pl.UInt32))


def fill(
    lake: Lake, version: int, wanted: pl.DataFrame, edits: pl.DataFrame, folder: Path, count: int
) -> Buckets:
    """Read the texts of the wanted requests and sort them into buckets.

    `wanted`: request_id, session_id, occurred_at, date, partition, offset, bucket. `edits`: request_id,
    edit_text. Memory is that of the light rows and of what the streaming engine holds at a time.
    """
    buckets = Buckets(folder, tuple(_heights(wanted["bucket"], count)))
    for bucket in range(count):
        buckets.raw(bucket).mkdir()
    if wanted.is_empty():
        return buckets
    places = wanted.select("request_id", "partition", "offset", "session_id", "occurred_at", "bucket").join(
        edits.select("request_id", "edit_text"), on="request_id", how="left"
    )
    texts = (
        lake.scan("requests", version=version)
        .filter(pl.col("date").is_in(wanted["date"].unique().implode()))
        .select("request_id", "partition", "offset", "input_messages", "output_messages", "tools")
        .join(places.lazy(), on=["request_id", "partition", "offset"], how="inner")
        .select(*TEXT_SCHEMA, "bucket")
    )
    target = pl.PartitionBy(
        folder,
        key="bucket",
        include_key=False,
        file_path_provider=_raw_name,
    )
    texts.sink_parquet(target, compression="lz4", statistics=False, maintain_order=False, engine="streaming")
    return buckets


def _raw_name(file: Any) -> str:
    return f"raw={file.partition_keys['bucket'].item()}/{file.index_in_partition}.parquet"


def _heights(buckets: pl.Series, count: int) -> list[int]:
    found = dict(buckets.value_counts().iter_rows())
    return [found.get(bucket, 0) for bucket in range(count)]


def read_raw(folder: Path) -> pl.DataFrame:
    """Rows of `TEXT_SCHEMA` from a bucket as `fill` left it, each request once."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        return pl.DataFrame(schema=TEXT_SCHEMA)
    rows = pl.concat([pl.read_parquet(file) for file in files])
    return rows.unique("request_id", keep="any").sort("session_id", "occurred_at", "request_id")
