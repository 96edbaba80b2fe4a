"""The words everyone shares: events, table schemas, settings, errors. Imports nothing of ours."""
