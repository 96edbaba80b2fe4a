"""The detectors by kind, and the sieve that tells which texts they need to look at.

A detector reads Python strings, one at a time; most texts hold nothing for it. Its sieve is a condition
that every text holds in which it could find something, for polars (Rust's regex engine: linear time, no
backtracking), so that a whole column is sifted at once. Sieves also work on texts inside JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from contracts.settings import RedactionKind
from curation.redaction import contact, names, national_ids, payment, phones, secrets
from curation.redaction.findings import Finding
from curation.redaction.plain import plain


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds one kind. `find` reads plain text (`plain.plain`)."""

    kind: RedactionKind
    find: Callable[[str], Iterable[Finding]]
    sieve: str


DETECTORS: Final = (
    Detector("secret", secrets.issued, secrets.ISSUED_SIEVE),
    Detector("secret", secrets.private_keys, secrets.PEM_SIEVE),
    Detector("secret", secrets.called_secret, secrets.CALLED_SIEVE),
    Detector("secret", secrets.passwords, secrets.DISCLOSURE_SIEVE),
    Detector("credentials", contact.url_credentials, contact.URL_SIEVE),
    Detector("email", contact.emails, contact.EMAIL_SIEVE),
    Detector("iban", payment.ibans, payment.IBAN_SIEVE),
    Detector("card", payment.cards, payment.CARD_SIEVE),
    Detector("national_id", national_ids.national_ids, national_ids.SIEVE),
    Detector("phone", phones.phone_numbers, phones.SIEVE),
    Detector("ip", contact.ip_addresses, contact.IP_SIEVE),
    *(Detector("name", partial(names.introduced, cue), cue.sieve) for cue in names.CUES),
    Detector("name", names.introduced_unspaced, names.HAN_SIEVE),
)

# Numbers and addresses in other digits and dashes than ASCII: they are made plain before the sieves look.
_UNUSUAL: Final = (
    r"[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59\uff01-\uff5e]|"
    r"[0-9A-Za-z][\u00a0\u00ad\u1680\u2000-\u2015\u2028-\u202f\u205f-\u206f\u2212\u3000\ufe63\ufeff]{1,3}[0-9A-Za-z(+]"
)


def findings(texts: Sequence[str], kinds: Collection[str]) -> list[list[Finding]]:
    """What the detectors find in each text, in no order and with overlaps."""
    shown = [plain(text) for text in texts]
    series = pl.Series(shown, dtype=pl.String)
    found: list[list[Finding]] = [[] for _ in texts]
    sifted: dict[str, pl.Series] = {}
    for detector in DETECTORS:
        if detector.kind not in kinds:
            continue
        if detector.sieve not in sifted:
            sifted[detector.sieve] = series.str.contains(detector.sieve).arg_true()
        for index in sifted[detector.sieve]:
            found[index] += detector.find(shown[index])
    return found


def suspicious(column: str, kinds: Collection[str]) -> pl.Expr:
    """Whether a column of texts, or of JSON with texts, holds anything to look at."""
    sieves = dict.fromkeys(d.sieve for d in DETECTORS if d.kind in kinds)
    if not sieves:
        return pl.lit(value=False)
    checks = [pl.col(column).str.contains(sieve) for sieve in (*sieves, _UNUSUAL)]
    return pl.any_horizontal(checks).fill_null(value=False)
