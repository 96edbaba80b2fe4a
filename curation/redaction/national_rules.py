"""National identity, tax and social security numbers: their shapes, names and check digits.

A rule's `shape` is how the number is written. Under its own `name` (label right before it) the shape is
enough; anywhere near one of its names the check digits must hold as well; without any name only numbers
in the shape `alone` with valid check digits count, where chance would hardly produce them. Check digits are
python-stdnum's (`module`), which cites the issuing authorities. Where there are none, the shape `near` is
enough near a name.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from curation.redaction.context import label, label_after, words

_START: Final = r"(?<![A-Za-z0-9_])(?<![0-9][.,/-])"
_END: Final = r"(?![A-Za-z0-9_]|[.,/-][0-9])"


@dataclass(frozen=True)
class Rule:
    """One kind of number. `module`: of python-stdnum; empty: only its shape is known."""

    name: str
    shape: str
    names: str
    module: str = ""
    alone: str = ""
    near: str = ""
    check: Callable[[str], bool] | None = field(default=None, compare=False)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds the shape in a text."""
        return re.compile(f"{_START}(?:{self.shape}){_END}", re.IGNORECASE)

    @cached_property
    def unmistakable(self) -> re.Pattern[str] | None:
        """The shape that needs no name; case counts."""
        return re.compile(self.alone) if self.alone else None

    @cached_property
    def telling(self) -> re.Pattern[str] | None:
        """The shape that is enough near a name, for numbers without check digits."""
        return re.compile(self.near) if self.near else None

    @cached_property
    def label(self) -> re.Pattern[str]:
        """Finds one of the names right before the number."""
        return label(self.names)

    @cached_property
    def label_after(self) -> re.Pattern[str]:
        """Matches one of the names right after the number."""
        return label_after(self.names)

    @cached_property
    def words(self) -> re.Pattern[str]:
        """Finds one of the names somewhere."""
        return words(self.names)

    @cached_property
    def _module_check(self) -> Callable[[str], bool]:
        check: Callable[[str], bool] = importlib.import_module(f"stdnum.{self.module}").is_valid
        return check

    def is_valid(self, number: str) -> bool:
        """Whether check digits and dates hold; true where there are none."""
        if self.check is not None:
            return self.check(number)
        return self._module_check(number) if self.module else True

    @property
    def can_check(self) -> bool:
        """Whether validity says anything."""
        return bool(self.module) or self.check is not None


def _nric(number: str) -> bool:
    """Singapore NRIC and FIN: weights 2 7 6 5 4 3 2, letter by series (ICA; M series since 2022)."""
    series, digits, letter = number[0].upper(), number[1:8], number[8].upper()
    total = sum(w * int(d) for w, d in zip((2, 7, 6, 5, 4, 3, 2), digits, strict=True))
    total += {"T": 4, "G": 4, "M": 3}.get(series, 0)
    tables = {
        "S": "JZIHGFEDCBA",
        "T": "JZIHGFEDCBA",
        "F": "XWUTRQPNMLK",
        "G": "XWUTRQPNMLK",
        "M": "XWUTRQPNJLK",
    }
    if series == "M":
        return tables["M"][10 - total % 11] == letter
    return tables[series][total % 11] == letter


def _hkid(number: str) -> bool:
    """Hong Kong identity card: weights 9 to 2 on one or two letters and six digits, modulo 11."""
    plain = re.sub(r"[^A-Z0-9]", "", number.upper())
    body, digit = plain[:-1].rjust(8), plain[-1]
    values = [36 if c == " " else int(c, 36) for c in body]
    total = sum(w * v for w, v in zip(range(9, 1, -1), values, strict=True))
    return (total + (10 if digit == "A" else int(digit, 36))) % 11 == 0


def _twid(number: str) -> bool:
    """Taiwan identity card: letter as two digits, weights 1 9 8 7 6 5 4 3 2 1 1, modulo 10."""
    code = 10 + "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(number[0].upper())
    digits = [*divmod(code, 10), *map(int, number[1:])]
    return sum(w * d for w, d in zip((1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), digits, strict=True)) % 10 == 0


def _snils(number: str) -> bool:
    """Russian SNILS: weights 9 to 1, modulo 101."""
    digits = re.sub(r"[^0-9]", "", number)
    total = sum(w * int(d) for w, d in zip(range(9, 0, -1), digits, strict=False))
    return total % 101 % 100 == int(digits[9:])


def _jmbg(number: str) -> bool:
    """JMBG of the former Yugoslavia: the Slovenian EMŠO's rule, without its regions."""
    day, month = int(number[:2]), int(number[2:4])
    total = sum(w * int(d) for w, d in zip((7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), number, strict=False))
    digit = (11 - total % 11) % 11
    return 1 <= day <= 31 and 1 <= month <= 12 and digit == int(number[12])


def _nin(number: str) -> bool:
    """Letters and prefixes HMRC does not use in National Insurance numbers."""
    used = re.match(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z].*[A-D]\Z", number.upper())
    return used is not None and number[:2].upper() not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}


_SOCIAL: Final = r"social (?:security|insurance)|"
_TAX: Final = r"tax(?:payer)?(?:'s)? (?:id\w*|identification|file|number|no)|tin\b|"

RULES: Final = (
    Rule(
        "us.ssn",
        r"[0-9]{3}([ -])[0-9]{2}\1[0-9]{4}|[0-9]{9}",
        _SOCIAL + r"ssn\b|social\b",
        "us.ssn",
        r"[0-9]{3}-[0-9]{2}-[0-9]{4}",
    ),
    Rule(
        "us.itin",
        r"9[0-9]{2}-?[0-9]{2}-?[0-9]{4}",
        _TAX + r"itin\b",
        "us.itin",
        r"9[0-9]{2}-[0-9]{2}-[0-9]{4}",
    ),
    Rule(
        "ca.sin", r"[0-9]{3}([ -]?)[0-9]{3}\1[0-9]{3}", _SOCIAL + r"sin\b|\bnas\b|assurance sociale", "ca.sin"
    ),
    Rule(
        "gb.nino",
        r"[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-Z]",
        r"national insurance|nino\b|ni (?:number|no)",
        check=_nin,
        alone=r"[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
    ),
    Rule("gb.nhs", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", r"nhs", "gb.nhs"),
    Rule("gb.utr", r"[0-9]{5} ?[0-9]{5}K?", r"utr\b|unique taxpayer", "gb.utr"),
    Rule(
        "ie.pps",
        r"[0-9]{7}[A-W][ABWTXZ]?",
        r"ppsn?\b|pps (?:number|no)|personal public service",
        "ie.pps",
        r"[0-9]{7}[A-W][ABWTXZ]?",
    ),
    Rule(
        "de.idnr",
        r"[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
        _TAX + r"steuer\W?(?:id\w*|identifikations\w*|nummer)|id\W?nr|tax\b",
        "de.idnr",
        r"[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}",
    ),
    Rule(
        "de.rvnr",
        r"[0-9]{2} ?[0-9]{6} ?[A-Z] ?[0-9]{3}",
        r"(?:renten|sozial)versicherung\w*|versicherungsnummer|sv\W?nummer|" + _SOCIAL.rstrip("|"),
    ),
    Rule(
        "at.vnr",
        r"[0-9]{4} ?[0-9]{6}",
        _SOCIAL + r"sozialversicherung\w*|sv\W?n(?:ummer|r)|versicherungsnummer|svnr",
        "at.vnr",
    ),
    Rule(
        "ch.ssn",
        r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}",
        _SOCIAL + r"ahv\w*|avs\b|sozialversicherung\w*",
        "ch.ssn",
        r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}",
    ),
    Rule(
        "fr.nir",
        r"[12378] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
        r"s[ée]curit[ée] sociale|\bnir\b|num[ée]ro de s[ée]cu\w*|\bsécu\b|" + _SOCIAL.rstrip("|"),
        "fr.nir",
        r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
    ),
    Rule(
        "fr.nif",
        r"[0-3][0-9] ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
        _TAX + r"num[ée]ro fiscal|spi\b|nif\b",
        "fr.nif",
    ),
    Rule(
        "es.dni",
        r"[0-9]{2}\.?[0-9]{3}\.?[0-9]{3}[ -]?[A-Z]",
        r"dni\b|nif\b|documento nacional|spanish id",
        "es.dni",
        r"[0-9]{2}\.?[0-9]{3}\.?[0-9]{3}-?[A-HJ-NP-TV-Z]",
    ),
    Rule(
        "es.nie",
        r"[XYZ][ -]?[0-9]{7}[ -]?[A-Z]",
        r"nie\b|nif\b|extranjero",
        "es.nie",
        r"[XYZ]-?[0-9]{7}-?[A-Z]",
    ),
    Rule(
        "it.cf",
        r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPR-T][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]|"
        r"[A-Z]{3} [A-Z]{3} [0-9]{2}[A-Z][0-9]{2} [A-Z][0-9]{3}[A-Z]",
        r"codice fiscale|\bcf\b|fiscal code",
        "it.codicefiscale",
        r"[A-Z]{6}[0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]|"
        r"[A-Z]{3} [A-Z]{3} [0-9]{2}[A-Z][0-9]{2} [A-Z][0-9]{3}[A-Z]",
    ),
    Rule("pt.nif", r"[0-9]{3} ?[0-9]{3} ?[0-9]{3}", _TAX + r"nif\b|contribuinte|número fiscal", "pt.nif"),
    Rule(
        "pt.cc",
        r"[0-9]{8} ?[0-9] ?[A-Z0-9]{2}[0-9]",
        r"cart[ãa]o de cidad[ãa]o|\bcc\b|citizen card",
        "pt.cc",
        r"[0-9]{8} ?[0-9] ?[A-Z]{2}[0-9]",
    ),
    Rule(
        "nl.bsn",
        r"[0-9]{4}\.?[0-9]{2}\.?[0-9]{3}|[0-9]{3}[ .][0-9]{3}[ .][0-9]{3}",
        r"bsn\b|burgerservicenummer|sofi\w*|citizen service",
        "nl.bsn",
    ),
    Rule(
        "be.nn",
        r"[0-9]{2}[. ]?[0-9]{2}[. ]?[0-9]{2}[ -]?[0-9]{3}[. ]?[0-9]{2}",
        r"rijksregister\w*|registre national|national register|insz|niss\b|num[ée]ro national",
        "be.nn",
        r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}",
    ),
    Rule("pl.pesel", r"[0-9]{11}", r"pesel", "pl.pesel"),
    Rule("pl.nip", r"[0-9]{3}-?[0-9]{3}-?[0-9]{2}-?[0-9]{2}", r"\bnip\b", "pl.nip"),
    Rule(
        "se.pnr",
        r"(?:19|20)?[0-9]{6}[-+]?[0-9]{4}",
        r"personnummer|swedish (?:personal|id)\w*|samordningsnummer|personal (?:id\w*|number|no)",
        "se.personnummer",
        r"(?:19|20)?[0-9]{6}[-+][0-9]{4}",
    ),
    Rule(
        "no.fnr",
        r"[0-9]{6} ?[0-9]{5}",
        r"f[øo]dselsnummer|fnr\b|personnummer|norwegian (?:id|national|birth)\w*|d-nummer",
        "no.fodselsnummer",
        r"[0-9]{6} ?[0-9]{5}",
    ),
    Rule(
        "dk.cpr",
        r"[0-3][0-9][01][0-9]{3}[- ]?[0-9]{4}",
        r"cpr\b|cpr\W?(?:nummer|nr|number)|personnummer",
        "dk.cpr",
    ),
    Rule(
        "fi.hetu",
        r"[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-Y]",
        r"hetu\b|henkil[öo]tunnus\w*|personal identity code",
        "fi.hetu",
        r"[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-Y]",
    ),
    Rule("is.kt", r"[0-3][0-9][01][0-9]{3}-?[0-9]{4}", r"kennital\w*|\bkt\b", "is_.kennitala"),
    Rule(
        "ee.lt",
        r"[1-8][0-9]{2}[01][0-9][0-3][0-9]{5}",
        r"isikukood\w*|asmens kod\w*|personal (?:code|id\w*)",
        "ee.ik",
    ),
    Rule(
        "lv.pk",
        r"[0-3][0-9][01][0-9]{3}-?[0-9]{5}|32[0-9]{4}-?[0-9]{5}",
        r"personas kod\w*|personal code",
        "lv.pvn",
    ),
    Rule(
        "cz.sk.rc",
        r"[0-9]{6}/?[0-9]{3,4}",
        r"rodn[ée] [čc][íi]slo|birth number|\brč\b",
        "cz.rc",
        r"[0-9]{6}/[0-9]{3,4}",
    ),
    Rule(
        "ro.cnp",
        r"[1-9][0-9]{12}",
        r"cnp\b|cod numeric",
        "ro.cnp",
        r"[1-8][0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{6}",
    ),
    Rule("bg.egn", r"[0-9]{10}", r"егн|egn\b|единен граждански", "bg.egn"),
    Rule("hr.oib", r"[0-9]{11}", r"oib\b", "hr.oib"),
    Rule("yu.jmbg", r"[0-3][0-9][01][0-9]{10}", r"jmbg\b|emšo|emso\b|mati[čc]n\w*|јмбг", check=_jmbg),
    Rule("gr.amka", r"[0-3][0-9][01][0-9]{8}", r"amka\b|αμκα", "gr.amka"),
    Rule("gr.afm", r"[0-9]{9}", r"afm\b|αφμ", "gr.vat"),
    Rule("hu.taj", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", r"\btaj\b"),
    Rule("hu.adoazonosito", r"8[0-9]{9}", r"ad[óo]azonos[íi]t[óo]"),
    Rule("tr.tckn", r"[1-9][0-9]{10}", r"t\.?c\.? ?(?:kimlik|no)\w*|kimlik|tckn", "tr.tckimlik"),
    Rule("il.id", r"[0-9]{8,9}", r"teudat zehut|תעודת זהות|מספר זהות|ת\.ז|israeli id", "il.idnr"),
    Rule("ru.inn", r"[0-9]{12}", r"инн\b|\binn\b", "ru.inn"),
    Rule(
        "ru.snils",
        r"[0-9]{3}-?[0-9]{3}-?[0-9]{3}[ -]?[0-9]{2}",
        r"снилс|snils",
        check=_snils,
        alone=r"[0-9]{3}-[0-9]{3}-[0-9]{3} [0-9]{2}",
    ),
    Rule("ua.rntrc", r"[0-9]{10}", r"рнокпп|rnokpp|іпн|\binn\b|податк\w*", "ua.rntrc"),
    Rule(
        "in.aadhaar",
        r"[2-9][0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}",
        r"aa?dh?aa?r|uidai?|आधार",
        "in_.aadhaar",
        r"[2-9][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}",
    ),
    Rule(
        "in.pan",
        r"[A-Z]{3}[ABCFGHJLPTK][A-Z][0-9]{4}[A-Z]",
        r"\bpan\b|permanent account",
        "in_.pan",
        r"[A-Z]{3}[ABCFGHJLPTK][A-Z][0-9]{4}[A-Z]",
    ),
    Rule("in.epic", r"[A-Z]{3}[0-9]{7}", r"epic\b|voter'?s? id\w*", "in_.epic"),
    Rule("pk.cnic", r"[0-9]{5}-?[0-9]{7}-?[0-9]", r"cnic\b|nadra", "pk.cnic", r"[0-9]{5}-[0-9]{7}-[0-9]"),
    Rule(
        "cn.ric",
        r"[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9X]",
        r"身份证\w*|身份證|resident id\w*|chinese id",
        "cn.ric",
        r"[1-9][0-9]{16}[0-9Xx]",
    ),
    Rule(
        "hk.id",
        r"[A-Z]{1,2}[0-9]{6} ?\(?[0-9A]\)?",
        r"hkid\w*|hong kong id\w*|香港身份證",
        check=_hkid,
        alone=r"[A-Z]{1,2}[0-9]{6} ?\([0-9A]\)",
    ),
    Rule("tw.id", r"[A-Z][1289][0-9]{8}", r"身分證\w*|taiwan\w* (?:national )?id", check=_twid),
    Rule(
        "kr.rrn",
        r"[0-9]{2}[01][0-9][0-3][0-9]-?[0-9]{7}",
        r"주민(?:등록)?번호|resident registration|\brrn\b",
        "kr.rrn",
        r"[0-9]{6}-[0-9]{7}",
    ),
    Rule(
        "jp.in",
        r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}",
        r"マイナンバー|個人番号|my ?number card|my number\b(?! is)|individual number",
        "jp.in_",
    ),
    Rule("sg.nric", r"[STFGM][0-9]{7}[A-Z]", r"nric\b|\bfin\b", check=_nric, alone=r"[STFGM][0-9]{7}[A-Z]"),
    Rule(
        "my.nric",
        r"[0-9]{6}-?[0-9]{2}-?[0-9]{4}",
        r"mykad|nric\b|\bic (?:number|no)|kad pengenalan",
        "my.nric",
        r"[0-9]{6}-[0-9]{2}-[0-9]{4}",
    ),
    Rule("id.nik", r"[1-9][0-9]{15}", r"\bnik\b|\bktp\b|nomor induk", "id.nik"),
    Rule(
        "th.pin",
        r"[1-8]-?[0-9]{4}-?[0-9]{5}-?[0-9]{2}-?[0-9]",
        r"เลขประจำตัว\w*|thai (?:national )?id|บัตรประชาชน",
        "th.pin",
        r"[1-8]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]",
    ),
    Rule("ph.id", r"[0-9]{2}-?[0-9]{7}-?[0-9]", r"\bsss\b|umid\b"),
    Rule("vn.cccd", r"[0-9]{12}", r"cccd|căn cước"),
    Rule("au.tfn", r"[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}", r"tfn\b|tax file", "au.tfn"),
    Rule("au.medicare", r"[2-6][0-9]{3} ?[0-9]{5} ?[0-9](?:[ /-]?[0-9])?", r"medicare"),
    Rule("nz.ird", r"[0-9]{2,3}-?[0-9]{3}-?[0-9]{3}", r"ird\b", "nz.ird"),
    Rule(
        "za.id",
        r"[0-9]{2}[01][0-9][0-3][0-9][0-9]{4}[01][0-9]{2}|[0-9]{6} [0-9]{4} [01][0-9]{2}",
        r"south african id\w*|\bsa id|rsa id|identity number",
        "za.idnr",
        r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{4}[01][89][0-9]",
    ),
    Rule("ng.nin", r"[0-9]{11}", r"\bnin\b|\bbvn\b|national identification number"),
    Rule("eg.id", r"[23][0-9]{13}", r"الرقم القومي|egyptian (?:national )?id"),
    Rule("sa.id", r"[12][0-9]{9}", r"iqama|saudi (?:national )?id|رقم الهوية|الإقامة"),
    Rule(
        "ae.id",
        r"784-?[0-9]{4}-?[0-9]{7}-?[0-9]",
        r"emirates id|الهوية",
        alone=r"784-[0-9]{4}-[0-9]{7}-[0-9]",
    ),
    Rule(
        "br.cpf",
        r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|[0-9]{9}-?[0-9]{2}",
        r"cpf\b",
        "br.cpf",
        r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}",
    ),
    Rule("br.rg", r"[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}-?[0-9X]", r"\brg\b|registro geral|identidade"),
    Rule(
        "mx.curp",
        r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[A-Z0-9][0-9]",
        r"curp\b",
        "mx.curp",
        r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[A-Z0-9][0-9]",
    ),
    Rule(
        "mx.rfc",
        r"[A-Z&]{4}[0-9]{6}[A-Z0-9]{3}",
        r"rfc\b",
        "mx.rfc",
        r"[A-Z]{4}[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[A-Z0-9]{3}",
    ),
    Rule("ar.dni", r"[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}", r"dni\b|documento(?: nacional)?"),
    Rule(
        "ar.cuit",
        r"(?:20|23|24|27)-?[0-9]{8}-?[0-9]",
        r"cui[tl]\b",
        "ar.cuit",
        r"(?:20|23|24|27)-[0-9]{8}-[0-9]",
    ),
    Rule(
        "cl.rut",
        r"[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}-?[0-9K]",
        r"rut\b|\brun\b",
        "cl.rut",
        r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]",
    ),
    Rule("co.cc", r"[0-9]{1,3}(?:\.?[0-9]{3}){2,3}", r"c[ée]dula|\bcc\b|c\.c\."),
    Rule("pe.dni", r"[0-9]{8}(?:-?[0-9A-K])?", r"dni\b"),
    Rule("ec.ci", r"[0-2][0-9]{8}-?[0-9]", r"c[ée]dula", "ec.ci"),
    Rule("do.cedula", r"[0-9]{3}-?[0-9]{7}-?[0-9]", r"c[ée]dula", "do.cedula", r"[0-9]{3}-[0-9]{7}-[0-9]"),
    Rule("ve.ci", r"[VE]-?[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}", r"c[ée]dula"),
    Rule(
        "passport",
        r"[A-Z]{0,3} ?[0-9]{6,9}[A-Z]?|[A-Z][0-9A-Z]{8}",
        r"passports?|reisepass\w*|passeport|pasaporte|passaporto|passaporte|paspoort\w*|паспорт\w*|护照\w*|"
        r"旅券|여권\w*",
        near=r"[A-Z]{1,2}[0-9]{6,8}",
    ),
    Rule(
        "licence",
        r"[A-Z]{0,5}[- ]?[0-9]{5,13}[A-Z0-9]{0,6}|[A-Z][0-9]{3}-[0-9]{4}-[0-9]{4}",
        r"driv(?:er|ing)'?s?'? (?:licen[cs]e|permit)|führerschein\w*|permis de conduire|patente|"
        r"dl (?:number|no)",
        near=r"[A-Z][0-9]{7,12}",
    ),
    Rule(
        "identity",
        r"[A-Z]{0,4}[ -]?[0-9]{3,13}(?:[ ./-]?[0-9A-Z]{1,6}){0,4}",
        r"(?:national|government|citizen)(?: \w+)? (?:id\b|identity|identification|number)|"
        r"national id\w*|identity card|personal (?:identification|identity) (?:number|code|no)|"
        r"personalausweis\w*|ausweisnummer|carte d'identit[ée]|identity (?:document|number)|"
        + _SOCIAL.rstrip("|"),
    ),
)
"""In the order they are tried."""
