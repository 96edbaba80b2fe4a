"""The contamination gate: whether training rows hold items of registered eval sets."""
