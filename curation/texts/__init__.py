"""Text tools shared by selection, deduplication and the contamination gate: pure, deterministic, stable."""
