"""Which columns hold what people wrote: what access rights, the leak test and the store of texts go by."""

from __future__ import annotations

from typing import Final

RAW_TEXT: Final[dict[str, tuple[str, ...]]] = {
    "requests": ("input_messages", "output_messages", "tools", "attributes"),
    "signals": ("text",),
    "dead_letters": ("key", "value"),
    "judgments": ("rationale", "improved_response"),
    "annotations": ("corrected_response", "note"),
    "judge_anchors": ("input_messages", "output_messages", "tools"),
}
"""Table → columns that may hold words as people and models wrote them, before any redaction."""

REDACTED_TEXT: Final[dict[str, tuple[str, ...]]] = {
    "preferences": ("prompt", "chosen", "rejected", "tools"),
    "example_sketches": ("embedding", "bands", "prompt_signature", "chosen_signature", "rejected_signature"),
}
"""Table → columns with texts as they are in drops, or with what was computed from such texts."""

TEXT_TABLES: Final = (*RAW_TEXT, *REDACTED_TEXT)
"""Tables that a reader who may not see texts has to do without."""
