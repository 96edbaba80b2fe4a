"""What every section of the settings is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of `tailrace.toml`: unknown names are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
