"""Brokers for development and deployment assets."""
