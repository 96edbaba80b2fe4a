"""Removing a person from Delta tables and from their history, and looking whether anything is left."""
