"""`python -m contracts.schemas` writes the JSON Schema files beside this module."""

from __future__ import annotations

from contracts.schemas.generate import FOLDER, documents

for name, text in documents().items():
    (FOLDER / name).write_text(text)
    print(f"wrote contracts/schemas/{name}")
