"""Building a published drop again, byte for byte, from the lake as it was."""
