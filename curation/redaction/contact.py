"""E-mail addresses, IP addresses, and the user part of URLs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from curation.redaction.context import before
from curation.redaction.findings import Finding

# Latin, Greek and Cyrillic letters: a Chinese or Japanese sentence may run right up to an address.
_L: Final = "A-Za-z\u00c0-\u024f\u0370-\u052f"
_EMAIL: Final = re.compile(
    rf"(?<![{_L}0-9_.+%-])[{_L}0-9_+][{_L}0-9_.+%'&=-]{{0,63}}+@"
    rf"(?=[{_L}0-9])((?:[{_L}0-9-]{{1,63}}\.){{1,8}}[{_L}]{{2,24}})(?![{_L}0-9_-])"
)
_SPELT: Final = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}+ ?(?:[\[({] ?(?:at|@) ?[\])}]| at ) ?"
    r"[A-Za-z0-9-]{2,63}+(?: ?(?:[\[({] ?(?:dot|\.) ?[\])}]| dot ) ?[A-Za-z0-9-]{2,24}){1,3}(?![\w-])",
    re.IGNORECASE,
)
_FILES: Final = frozenset(
    (
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "ico",
        "bmp",
        "py",
        "js",
        "ts",
        "css",
        "html",
        "json",
        "yaml",
        "md",
    )
)
_HOSTED: Final = frozenset({"git", "hg"})

_CREDENTIALS: Final = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,20}+://([^\s/@:<>\"'`]{0,128}+:[^\s/@<>\"'`]{1,256}+)@(?=[^\s/@])"
)
_TEMPLATE: Final = re.compile(
    r"\$\{|\{\{|(?-i::\$[A-Z_]{3,}\Z)|\A(?:user(?:name)?|login):(?:pass(?:word)?|pwd|secret)\Z", re.IGNORECASE
)

_IPV4: Final = re.compile(
    r"(?<![0-9A-Za-z_.+-])(?<!/)(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z_]|\.[0-9]|-[0-9a-z])"
)
_IPV4_IN_URL: Final = re.compile(r"(?<=://)(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z_.])")
_IPV6: Final = re.compile(
    r"(?<![0-9A-Za-z_:.])(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?=:[0-9]{2,5}(?![0-9A-Za-z_:]))|"
    r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}(?![0-9A-Za-z_:]))"
)
_VERSION: Final = re.compile(
    r"(?:\bv|version|release|ver\.|build|firmware|driver|revision|assembly\w*|section|chapter|clause|§|"
    r"==|>=|~=|\^)"
    r"[\s:=\"'(]{0,4}\Z",
    re.IGNORECASE,
)


EMAIL_SIEVE: Final = r"[^\s@]@[^\s@]|(?i:[\[({ ] ?at ?[\])} ] ?[a-z0-9-]{2,63} ?[\[({ ] ?(?:dot|\.) ?[\])} ])"
URL_SIEVE: Final = r"://[^\s/@:<>]{0,128}:[^\s/@]{1,256}@"
IP_SIEVE: Final = r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|(?:[0-9A-Fa-f]{0,4}:){3}"


def emails(text: str) -> Iterator[Finding]:
    """E-mail addresses, also spelt out (`jo at example dot org`); one in any case is the same address."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            if text.startswith("://", match.start() - 3):
                continue
            local = match[0].partition("@")[0]
            domain = match[1].lower()
            last = domain.rpartition(".")[2]
            if last in _FILES or re.match(r"[0-9]+(?:\.[0-9]|x\.)", domain):
                continue
            if local.lower() in _HOSTED and text[match.end() : match.end() + 1] in {":", "/"}:
                continue
            yield Finding(match.start(), match.end(), "email", f"{local}@{domain}".lower())
    for match in _SPELT.finditer(text):
        bracketed = any(sign in match[0] for sign in "[({")
        if bracketed or " dot " in match[0].lower():
            key = re.sub(r" ?[\[({ ] ?(at|@) ?[\])} ] ?", "@", match[0].lower(), count=1)
            key = re.sub(r" ?[\[({ ] ?(dot|\.) ?[\])} ] ?", ".", key)
            yield Finding(match.start(), match.end(), "email", key)


def url_credentials(text: str) -> Iterator[Finding]:
    """`user:password` of URLs; the rest of the URL stays."""
    if "://" not in text:
        return
    for match in _CREDENTIALS.finditer(text):
        if not _TEMPLATE.search(match[1]):
            yield Finding(match.start(1), match.end(1), "credentials", match[1])


def ip_addresses(text: str) -> Iterator[Finding]:
    """IPv4 and IPv6 addresses, but neither versions nor addresses that name no machine."""
    for pattern in (_IPV4, _IPV4_IN_URL):
        for match in pattern.finditer(text):
            if _VERSION.search(before(text, match.start(), 16)):
                continue
            try:
                address = ipaddress.IPv4Address(match[0])
            except ValueError:
                continue
            if _names_a_machine(address):
                yield Finding(match.start(), match.end(), "ip", str(address))
    for match in _IPV6.finditer(text):
        groups = [group for group in match[0].split(":") if group]
        # `a::b` is a path in C++ or Rust, and most short ones are not addresses.
        if len(groups) < 3 or not any(c.isdigit() for c in match[0]):
            continue
        try:
            v6 = ipaddress.IPv6Address(match[0])
        except ValueError:
            continue
        if _names_a_machine(v6):
            yield Finding(match.start(), match.end(), "ip", v6.compressed)


def _names_a_machine(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        octets = address.packed
        # Netmasks, broadcast addresses, networks, and 1.2.3.4 as everybody writes it in examples.
        return octets[0] not in {0, 255} and octets[1:] != b"\0\0\0"
    return True
