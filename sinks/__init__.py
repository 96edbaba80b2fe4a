"""The lake (Delta tables), drops and their formats."""
