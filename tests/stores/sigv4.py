"""Who signed a request: AWS Signature Version 4, checked as S3 does.

Source: AWS General Reference, "Create a signed AWS API request"; for S3 the path is encoded once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

_PLAIN = "-_.~"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>[^,]+), ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def key_id(headers: Mapping[str, str]) -> str | None:
    """The access key a request says it was signed with."""
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    return found["key"] if found else None


def is_signed(method: str, raw_path: str, raw_query: str, headers: Mapping[str, str], secret: str) -> bool:
    """Whether the signature is that of this request by the owner of the secret. Headers are in lower case."""
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None:
        return False
    pairs = parse_qsl(raw_query, keep_blank_values=True)
    query = "&".join(sorted(f"{quote(k, safe=_PLAIN)}={quote(v, safe=_PLAIN)}" for k, v in pairs))
    names = found["headers"].split(";")
    lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names)
    payload = headers.get("x-amz-content-sha256", "")
    canonical = "\n".join([method, raw_path, query, lines, found["headers"], payload])
    day, region, service, _ = found["scope"].split("/")
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), found["scope"], hashed])
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(key.hex(), found["signature"])
