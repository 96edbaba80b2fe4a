"""Windows, attribution, features: pure functions over frames, no I/O, no clock of their own."""
