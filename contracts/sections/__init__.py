"""Sections of the settings, one concern a file. Import them from `contracts.settings`."""
