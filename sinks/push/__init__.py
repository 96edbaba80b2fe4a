"""Copies of published drops elsewhere: in a folder, an object store, a Hugging Face repository."""
