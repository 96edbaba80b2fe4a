"""Small published drops: real files, manifests and registry rows, without a build."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sinks.drops.manifest import file_entry, write_manifest
from sinks.drops.publish import publish
from sinks.drops.staging import STAGING
from sinks.lake import Lake
from tests.factories import table_rows

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
CARD = "---\nlicense: other\npretty_name: Drop\n---\n# A drop\n"


def published_drop(
    lake: Lake,
    drops_root: Path,
    number: int = 1,
    *,
    channel: str = "default",
    scheduled_for: datetime | None = None,
    large: int = 200_000,
    **names: bytes,
) -> str:
    """Publish a drop whose content follows from its number, a day later each; returns its id."""
    drop_id = f"202611{19 + number}-{number:012x}"
    files = {
        "README.md": CARD.encode(),
        "openai/train.jsonl": b"".join(b'{"n": %d}\n' % (n * number) for n in range(500)),
        "preference/train.parquet": (b"PAR1" + bytes([number]) * large),
        "preference/validation.parquet": b"PAR1" + b"v" * number,
        "provenance.parquet": b"PAR1" + b"p" * 1000 * number,
        **names,
    }
    staged = drops_root / f"{STAGING}{drop_id}"
    for name, data in files.items():
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        (staged / name).write_bytes(data)
    as_of = AS_OF + timedelta(days=number)
    write_manifest(
        staged,
        {"drop_id": drop_id, "channel": channel, "as_of": as_of},
        {name: file_entry(staged, name) for name in files},
    )
    made: dict[str, Any] = (
        table_rows("drops", [{}])
        .drop("sequence", "previous_sha256", "row_sha256", "scheduled_for")
        .to_dicts()[0]
    )
    row = {
        **made,
        "drop_id": drop_id,
        "channel": channel,
        "as_of": as_of,
        "published_at": as_of,
        "scheduled_for": scheduled_for,
    }
    publish(lake, drops_root, staged, row, {})
    return drop_id
