"""The text material of the simulated product, one module per feature."""

from __future__ import annotations

from typing import Final

from streams.simulator.grammar import Feature
from streams.simulator.texts import code, email, sql, summary, support, translation

FEATURES: Final[dict[str, Feature]] = {
    module.FEATURE.name: module.FEATURE for module in (email, code, summary, support, sql, translation)
}
"""Feature name → its material, in a fixed order."""
