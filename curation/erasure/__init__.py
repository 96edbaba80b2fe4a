"""Erasing a person: from every table and its history, from published drops, and proving it."""
