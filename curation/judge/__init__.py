"""Judges: confirm or reject what the failure score suspects. Start at `base.make_judge`."""
