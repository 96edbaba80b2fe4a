"""Planted secrets and personal data, and a search of files for them: Parquet column by column, the rest as
bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from sinks.erasure.scan import leaves
from tests.curation.dialogues import TRAINING
from tests.factories import at_ms

SETTINGS = {
    "TAILRACE_PRIVACY__PSEUDONYM_KEY": "pseudonym-key-5f2c91aa",
    "TAILRACE_JUDGE__API_KEY": "judge-key-77e1c0d4",
    "TAILRACE_LINEAGE__API_KEY": "lineage-key-19bd33f2",
    "TAILRACE_KAFKA__SECURITY": '{"sasl.password": "kafka-password-a0c45e"}',
    "TAILRACE_LAKE__STORAGE_OPTIONS": '{"AWS_SECRET_ACCESS_KEY": "lake-secret-e8b7d6"}',
    "TAILRACE_ALERTS__WEBHOOK": "http://127.0.0.1:9/hook-secret-3d1e5b",
}
"""Secrets of the deployment. They may be nowhere at all."""


def settings(texts: Path) -> dict[str, str]:
    """The environment of a deployment whose texts lie in a store of their own."""
    apart = {
        "text": {"root": str(texts), "storage_options": {"AWS_SECRET_ACCESS_KEY": "texts-secret-4c7f02"}}
    }
    return {**SETTINGS, "TAILRACE_LAKE__STORES": json.dumps(apart)}


CREDENTIALS = (
    *("pseudonym-key-5f2c91aa", "judge-key-77e1c0d4", "lineage-key-19bd33f2"),
    *("kafka-password-a0c45e", "lake-secret-e8b7d6", "hook-secret-3d1e5b"),
    "texts-secret-4c7f02",
)

PERSONAL = {
    "e-mail": "brunhilde.quastenberg@example.org",
    "phone": "+49 30 901820 443",
    "iban": "DE89 3704 0044 0532 0130 00",
    "card": "4111 1111 1111 1111",
    "name": "Brunhilde Quastenberg",
    "openai key": "sk-proj-" + "Qv7" * 16,
    "aws key": "AKIA" + "QX7J2M4N6P8R3T5V",
    "github token": "ghp_" + "aB3dE5fG7h" * 3 + "aB3dE5",
    "password": "correct-Horse-42",
    "url": "quast:Geheim99",
}
"""Kind → what is planted in texts."""

SENTENCES = (
    "My name is {name}, write to me at {e-mail}.",
    "Call {phone} or use the account {iban}.",
    "The card is {card} and the key is {openai key}.",
    "I put {aws key} and {github token} into the configuration.",
    "my password is {password}",
    "The database is at postgres://{url}@db.example.org/orders.",
)

USERS = ("user-quastenberg-01", "user-quastenberg-02")
"""Raw ids of users: never stored."""

TOPICS = (
    *("invoices", "gardens", "railways", "telescopes", "violins", "glaciers"),
    *("bakeries", "lighthouses", "orchards", "harbours", "museums", "volcanoes"),
)


def events() -> Iterator[dict[str, Any]]:
    """Conversations whose every free text holds something planted, some that break, and consent."""
    for n, topic in enumerate(TOPICS):
        planted = SENTENCES[n % len(SENTENCES)].format(**PERSONAL)
        ids = {"session_id": f"session-{n}", "user_id": USERS[n % 2], "request_id": f"request-{n}"}
        yield {
            **ids,
            "event_id": f"request-event-{n}",
            "occurred_at": at_ms(n * 60),
            "feature": "support",
            "prompt": f"Tell me three facts about {topic} and how they are kept. {planted}",
            "response": f"The {topic} are a wide field, and nobody knows who keeps {topic}. {planted}",
            "model": "gpt-4.1-mini",
            "provider": "openai",
            "consent": TRAINING,
            "attributes": {"note": planted},
        }
        yield {
            **ids,
            "event_id": f"signal-{n}",
            "occurred_at": at_ms(n * 60 + 20),
            "kind": "edit" if n % 3 else "thumbs",
            "value": None if n % 3 else -1,
            "text": f"The {topic} are kept by the city council in three departments. {planted}",
        }
        yield {
            "event_id": f"outcome-{n}",
            "session_id": f"session-{n}",
            "occurred_at": at_ms(n * 60 + 40),
            "kind": "ticket",
            "success": False,
        }
    for n, sentence in enumerate(SENTENCES):
        # A known field of the wrong type, named after the text as well.
        yield {
            "event_id": f"broken-{n}",
            "request_id": f"broken-{n}",
            "feature": "support",
            "occurred_at": sentence.format(**PERSONAL),
            "prompt": sentence.format(**PERSONAL),
            "latency_ms": sentence.format(**PERSONAL),
        }


def recording(path: Path) -> Path:
    """The events as a recording for `tailrace demo --replay`."""
    path.write_text("".join(json.dumps(event) + "\n" for event in events()))
    return path


def held(needles: dict[str, str], text: str) -> set[str]:
    """Kinds of needles in a text, written as they are or as JSON, HTML or a URL have them."""
    return {kind for kind, needle in needles.items() if needle in text}


def places(root: Path, needles: dict[str, str]) -> Iterator[tuple[str, str, set[str]]]:
    """(file below `root`, column or "", kinds found) for everything that holds a needle."""
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        if found := held(needles, data.decode("utf-8", "replace")):
            yield name, "", found
        if data[:4] == b"PAR1":
            yield from ((name, column, found) for column, found in _in_columns(path, needles))


def _in_columns(path: Path, needles: dict[str, str]) -> Iterator[tuple[str, set[str]]]:
    rows = pl.read_parquet(path, hive_partitioning=False)
    for column in rows.columns:
        found: set[str] = set()
        for texts in leaves(rows[column]):
            for text in texts.drop_nulls():
                found |= held(needles, text)
        if found:
            yield column, found
