"""JSON Schema files of the input events, generated from `contracts.events`."""
