"""Drops: immutable, hash-locked training sets, staged and then published atomically."""
