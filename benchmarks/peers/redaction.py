"""Other detectors of personal data and secrets on the texts of the redaction benchmark.

Run by `benchmarks.redaction` in an environment of its own: texts as JSON lines on stdin, one JSON object on
stdout: spans ([kind, start, end]) by text, and CPU seconds without imports. Microsoft Presidio by its pattern
recognizers (names and context words need a language model that no package ships), detect-secrets by all of
its plugins.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

Spans = list[tuple[str, int, int]]


def presidio() -> Callable[[str], Spans]:
    """Every recognizer that works by pattern and check digits, each under our kind."""
    import inspect

    import tldextract
    from presidio_analyzer import LocalRecognizer, predefined_recognizers

    # As installed it would fetch the list of public suffixes; the one in the package does.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())
    kinds = {
        "EMAIL_ADDRESS": "email",
        "PHONE_NUMBER": "phone",
        "CREDIT_CARD": "card",
        "IBAN_CODE": "iban",
        "IP_ADDRESS": "ip",
    }
    other = {"URL", "DATE_TIME", "CRYPTO", "MEDICAL_LICENSE", "MAC_ADDRESS"}
    loaded: list[Any] = []
    for _, kind in inspect.getmembers(predefined_recognizers, inspect.isclass):
        try:
            recognizer = kind()
        except Exception:  # noqa: BLE001, S112 - recognizers of models that are not there
            continue
        if isinstance(recognizer, LocalRecognizer) and (
            hasattr(recognizer, "patterns") or "PHONE_NUMBER" in recognizer.supported_entities
        ):
            loaded.append(recognizer)

    def find(text: str) -> Spans:
        found: Spans = []
        for recognizer in loaded:
            for hit in recognizer.analyze(text, recognizer.supported_entities, None):
                if hit.score >= 0.4 and hit.entity_type not in other:
                    found.append((kinds.get(hit.entity_type, "national_id"), hit.start, hit.end))
        return found

    return find


def detect_secrets() -> Callable[[str], Spans]:
    """All plugins and filters, on each text as a file, as its command scans a repository."""
    import tempfile
    from pathlib import Path

    from detect_secrets.core.secrets_collection import SecretsCollection
    from detect_secrets.settings import default_settings

    folder = Path(tempfile.mkdtemp())

    def find(text: str) -> Spans:
        (folder / "text.txt").write_text(text)
        secrets = SecretsCollection()
        with default_settings():
            secrets.scan_file(str(folder / "text.txt"))
        values = {secret.secret_value for _, secret in secrets if secret.secret_value}
        return [("secret", text.find(v), text.find(v) + len(v)) for v in values if v in text]

    return find


def main() -> None:
    """Read texts, find, write."""
    find = {"presidio-analyzer": presidio, "detect-secrets": detect_secrets}[sys.argv[1]]()
    texts = [json.loads(line) for line in sys.stdin]
    find(texts[0])
    started = time.process_time()
    spans = [find(text) for text in texts]
    print(json.dumps({"spans": spans, "cpu_seconds": time.process_time() - started}))


if __name__ == "__main__":
    main()
