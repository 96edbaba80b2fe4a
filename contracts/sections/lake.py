"""Settings of what is stored: the lake, privacy, retention, lineage events."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from contracts.sections.base import Section


class StoreSettings(Section):
    """A store of its own for a table, or for all tables with texts."""

    root: str = Field(min_length=1, description="folder or object-store prefix")
    storage_options: dict[str, SecretStr] = Field(
        default_factory=dict, description="deltalake storage options of that store"
    )


class LakeSettings(Section):
    """Where tables and drops lie; empty means inside the home directory."""

    root: str = Field("", description="folder or object-store prefix of the Delta tables")
    drops_root: str = Field("", description="folder of the published drops")
    storage_options: dict[str, str] = Field(
        default_factory=dict, description="deltalake storage options of the lake's store"
    )
    stores: dict[str, StoreSettings] = Field(
        default_factory=dict,
        description="stores of their own: a table, or `text` for all with texts → `root`, `storage_options`",
    )
    maintenance: bool = Field(
        True, description="the worker that owns partition 0 merges small files and removes replaced ones"
    )
    target_file_mb: int = Field(256, ge=1, le=4096, description="size files are merged up to, MiB")
    rollup_files: int = Field(
        256, ge=0, description="small files a recent day may have before they are merged; 0: leave it alone"
    )
    compact_after_hours: float = Field(
        24, ge=1, description="a day is merged into large files when it has been over for so long"
    )
    retention_days: float = Field(
        30, ge=1, description="replaced files and table versions stay readable for so long"
    )

    @property
    def target_file_bytes(self) -> int:
        """The target file size in bytes."""
        return self.target_file_mb << 20

    @property
    def compact_after_us(self) -> int:
        """The correction horizon of the layout in microseconds."""
        return round(self.compact_after_hours * 3_600_000_000)


RedactionKind = Literal[
    "secret", "credentials", "email", "iban", "card", "national_id", "phone", "ip", "name"
]
"""What is redacted: `credentials` are the user part of URLs, `secret` keys, tokens and passwords."""


class PrivacySettings(Section):
    """Pseudonyms, the split, and redaction."""

    pseudonym_key: SecretStr | None = Field(
        None, description="key of the user-id hash; without it one is made and kept in the home directory"
    )
    previous_pseudonym_keys: list[SecretStr] = Field(
        default_factory=list,
        description="keys that `pseudonym_key` has replaced, the first one first; see `tailrace keys`",
    )
    pseudonym_seed: int = Field(
        17, description="curation.seed when the first key was replaced; it must not change afterwards"
    )
    held_out_share: float = Field(
        0.05, ge=0, lt=1, description="share of users whose data is never trained on"
    )
    revocation_days: int = Field(
        90,
        ge=1,
        description="days of requests a revocation marks in the quarantine; older ones it stops all the same",
    )
    redact_at: Literal["curation", "ingress", "off"] = Field(
        "curation",
        description="where personal data leaves the texts: in drops, or before anything is stored at all",
    )
    redact: list[RedactionKind] | None = Field(
        None, description="kinds to redact, e.g. email, phone, secret; none given: all"
    )


class RetentionSettings(Section):
    """How long rows are kept, and how an erasure treats readers."""

    days: dict[str, float] = Field(
        default_factory=dict,
        description="days that rows are kept, by table; `tailrace retention apply` deletes older ones",
    )
    grace_seconds: float = Field(
        30,
        ge=0,
        description="how long an erasure leaves replaced files to readers that have begun, seconds",
    )


class LineageSettings(Section):
    """OpenLineage run events of every build."""

    transport: Literal["file", "http", "off"] = Field(
        "file", description="where OpenLineage run events go: a file of JSON lines, a server, or nowhere"
    )
    file: str = Field("", description="file of the events; empty: openlineage.jsonl in the drops folder")
    url: str = Field("", description="server of the events, e.g. http://127.0.0.1:5000 (Marquez)")
    api_key: SecretStr | None = Field(None, description="key of that server")
    namespace: str = Field("tailrace", min_length=1, description="namespace of the job in the events")
