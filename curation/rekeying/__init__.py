"""Replacing the key of the pseudonyms (docs/decisions/27)."""
