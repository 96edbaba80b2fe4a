"""Values for the slots: Faker's of many countries, and numbers drawn until their issuer accepts them."""

from __future__ import annotations

import importlib
import random
import string
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from faker import Faker
from stdnum import luhn

LOCALES: Final = (
    *("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pt_BR", "pl_PL", "sv_SE", "no_NO"),
    *("fi_FI", "da_DK", "en_IN", "ja_JP", "zh_CN", "ko_KR", "ru_RU", "tr_TR", "cs_CZ", "hu_HU", "ro_RO"),
    *("pt_PT", "el_GR", "he_IL", "uk_UA", "de_CH", "de_AT", "nl_BE", "es_AR", "es_CL", "es_CO", "en_AU"),
    *("en_CA", "en_NZ", "id_ID", "th_TH", "vi_VN"),
)
_NAME_LOCALES: Final = (
    "en_US",
    "en_GB",
    "de_DE",
    "fr_FR",
    "es_ES",
    "it_IT",
    "nl_NL",
    "pt_BR",
    "pl_PL",
    "sv_SE",
)

# Name people give the number, module of python-stdnum that checks it, shape: # digit, A letter, else itself.
_IDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("SSN", "us.ssn", "###-##-####"),
    ("social security number", "us.ssn", "###-##-####"),
    ("SSN", "us.ssn", "#########"),
    ("ITIN", "us.itin", "###-##-####"),
    ("Social Insurance Number", "ca.sin", "### ### ###"),
    ("SIN", "ca.sin", "###-###-###"),
    ("National Insurance number", "", "AB ## ## ## C"),
    ("NINO", "", "AB######C"),
    ("NHS number", "gb.nhs", "### ### ####"),
    ("PPS number", "ie.pps", "#######A"),
    ("Steuer-ID", "de.idnr", "## ### ### ###"),
    ("Steueridentifikationsnummer", "de.idnr", "###########"),
    ("Sozialversicherungsnummer", "at.vnr", "#### ######"),
    ("AHV-Nummer", "ch.ssn", "756.####.####.##"),
    ("numéro de sécurité sociale", "fr.nir", "1 ## 0# 75 ### ### ##"),
    ("NIR", "fr.nir", "2840#75########"),
    ("DNI", "es.dni", "########A"),
    ("NIE", "es.nie", "X#######A"),
    ("NIF", "pt.nif", "#########"),
    ("BSN", "nl.bsn", "#########"),
    ("burgerservicenummer", "nl.bsn", "#########"),
    ("rijksregisternummer", "be.nn", "##.##.##-###.##"),
    ("PESEL", "pl.pesel", "###########"),
    ("personnummer", "se.personnummer", "######-####"),
    ("personnummer", "se.personnummer", "19######-####"),
    ("fødselsnummer", "no.fodselsnummer", "###### #####"),
    ("CPR-nummer", "dk.cpr", "######-####"),
    ("henkilötunnus", "fi.hetu", "######-###A"),
    ("rodné číslo", "cz.rc", "######/####"),
    ("CNP", "ro.cnp", "#############"),
    ("ЕГН", "bg.egn", "##########"),
    ("OIB", "hr.oib", "###########"),
    ("AMKA", "gr.amka", "###########"),
    ("T.C. kimlik no", "tr.tckimlik", "###########"),
    ("ИНН", "ru.inn", "############"),
    ("Aadhaar number", "in_.aadhaar", "#### #### ####"),
    ("Aadhaar", "in_.aadhaar", "############"),
    ("PAN", "in_.pan", "AAAPA####A"),
    ("CNIC", "pk.cnic", "#####-#######-#"),
    ("身份证号", "cn.ric", "11010119##########"),
    ("주민등록번호", "kr.rrn", "######-#######"),
    ("マイナンバー", "jp.in_", "#### #### ####"),
    ("NRIC", "my.nric", "######-##-####"),
    ("NIK", "id.nik", "################"),
    ("TFN", "au.tfn", "### ### ###"),
    ("IRD number", "nz.ird", "##-###-###"),
    ("South African ID number", "za.idnr", "#############"),
    ("CPF", "br.cpf", "###.###.###-##"),
    ("CPF", "br.cpf", "###########"),
    ("CURP", "mx.curp", ""),
    ("CUIT", "ar.cuit", "20-########-#"),
    ("RUT", "cl.rut", "##.###.###-#"),
    ("cédula", "do.cedula", "###-#######-#"),
    ("codice fiscale", "it.codicefiscale", ""),
    ("passport number", "", "A########"),
    ("passport", "", "#########"),
    ("driver's license number", "", "A#######"),
)
_ALNUM: Final = string.ascii_letters + string.digits
_HEX: Final = "0123456789abcdef"


class Values:
    """Draws values; the same seed draws the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._fakers = {locale: Faker(locale) for locale in LOCALES}
        for faker in self._fakers.values():
            faker.seed_instance(self.random.getrandbits(32))

    def draw(self, slot: str) -> str:
        """A value for a slot other than the pair of a national id and its name."""
        if slot.startswith("digits:"):
            return self._chars(string.digits, int(slot.removeprefix("digits:")))
        return {
            "email": self._email,
            "phone": self._phone,
            "card": self._card,
            "iban": self._iban,
            "ip": self._ip,
            "secret": self._secret,
            "password": self._password,
            "credentials": self._credentials,
            "name": self._name,
        }[slot]()

    def national_id(self) -> tuple[str, str]:
        """The name of a number as people say it, and such a number."""
        name, module, shape = self.random.choice(_IDS)
        if name == "codice fiscale":
            return name, self._fakers["it_IT"].ssn()
        if name == "CURP":
            return name, self._until(module, self._curp)
        return name, self._until(module, lambda: self._shaped(shape))

    def _until(self, module: str, draw: Callable[[], str]) -> str:
        if not module:
            return draw()
        check = importlib.import_module(f"stdnum.{module}")
        # Birth dates in the number make most draws invalid.
        for _ in range(2_000_000):
            if check.is_valid(value := draw()):
                return value
        raise AssertionError(f"no valid number of {module}")

    def _shaped(self, shape: str) -> str:
        return "".join(
            self.random.choice(string.digits)
            if c == "#"
            else self.random.choice(string.ascii_uppercase)
            if c == "A"
            else c
            for c in shape
        )

    def _curp(self) -> str:
        r = self.random
        letters = "".join(r.choice("BCDFGHJKLMNP") for _ in range(3))
        date = f"{r.randrange(60, 99)}{r.randrange(1, 13):02d}{r.randrange(1, 29):02d}"
        tail = "".join(r.choice("BCDFGHJKLMNP") for _ in range(3))
        place = r.choice("HM") + r.choice(("DF", "JC", "NL"))
        return f"{letters[0]}A{letters[1:]}{date}{place}{tail}0{r.randrange(10)}"

    def _chars(self, alphabet: str, size: int) -> str:
        return "".join(self.random.choice(alphabet) for _ in range(size))

    def _faker(self) -> Faker:
        return self._fakers[self.random.choice(LOCALES)]

    def _email(self) -> str:
        address = str(self._faker().ascii_email())
        if self.random.random() < 0.15:
            local, _, domain = address.partition("@")
            address = f"{local}+{self._chars(string.ascii_lowercase, 4)}@mail.{domain}"
        return address.upper() if self.random.random() < 0.05 else address

    def _phone(self) -> str:
        return str(self._faker().phone_number())

    def _card(self) -> str:
        r = self.random
        prefix, size = r.choice(
            (
                ("4", 16),
                ("4", 16),
                ("51", 16),
                ("55", 16),
                ("2221", 16),
                ("34", 15),
                ("37", 15),
                ("6011", 16),
                ("3528", 16),
                ("36", 14),
            )
        )
        body = prefix + self._chars(string.digits, size - len(prefix) - 1)
        number = body + luhn.calc_check_digit(body)
        form = r.choice(("", " ", "-"))
        if not form:
            return number
        cuts = (4, 10) if size in {14, 15} else (4, 8, 12)
        places = (0, *cuts, size)
        return form.join(number[a:b] for a, b in pairwise(places))

    def _iban(self) -> str:
        faker = self._fakers[
            self.random.choice(
                (
                    "de_DE",
                    "fr_FR",
                    "es_ES",
                    "it_IT",
                    "nl_NL",
                    "en_GB",
                    "pl_PL",
                    "de_AT",
                    "de_CH",
                    "pt_PT",
                    "no_NO",
                    "fi_FI",
                    "nl_BE",
                    "tr_TR",
                )
            )
        ]
        number = str(faker.iban())
        if self.random.random() < 0.5:
            return " ".join(number[i : i + 4] for i in range(0, len(number), 4))
        return number

    def _ip(self) -> str:
        faker = self._fakers["en_US"]
        if self.random.random() < 0.3:
            return str(faker.ipv6())
        return str(self.random.choice((faker.ipv4_public, faker.ipv4_private))())

    def _secret(self) -> str:
        r = self.random
        return r.choice(
            (
                lambda: "sk-proj-" + self._chars(_ALNUM + "_-", 48) + "T3",
                lambda: "sk-ant-api03-" + self._chars(_ALNUM + "_-", 80) + "AA",
                lambda: "ghp_" + self._chars(_ALNUM, 36),
                lambda: "github_pat_" + self._chars(_ALNUM, 22) + "_" + self._chars(_ALNUM, 59),
                lambda: "glpat-" + self._chars(_ALNUM, 20),
                lambda: "AKIA" + self._chars(string.ascii_uppercase + "234567", 16),
                lambda: (
                    "xoxb-"
                    + self._chars(string.digits, 12)
                    + "-"
                    + self._chars(string.digits, 12)
                    + "-"
                    + self._chars(_ALNUM, 24)
                ),
                lambda: "sk_" + r.choice(("live", "test")) + "_" + self._chars(_ALNUM, 24),
                lambda: "AIza" + self._chars(_ALNUM + "_-", 34) + "Q",
                lambda: (
                    "eyJ"
                    + self._chars(_ALNUM, 33)
                    + ".eyJ"
                    + self._chars(_ALNUM, 60)
                    + "."
                    + self._chars(_ALNUM, 43)
                ),
                lambda: "hf_" + self._chars(string.ascii_letters, 34),
                lambda: "SG." + self._chars(_ALNUM, 22) + "." + self._chars(_ALNUM, 43),
                lambda: "npm_" + self._chars(_ALNUM, 36),
                lambda: "dop_v1_" + self._chars(_HEX, 64),
                lambda: "shpat_" + self._chars(_HEX, 32),
            )
        )()

    def _password(self) -> str:
        r = self.random
        word = str(self._fakers["en_US"].word())
        return r.choice(
            (
                lambda: f"{word.capitalize()}{r.randrange(10, 9999)}!",
                lambda: f"{word}{r.randrange(100, 99999)}",
                lambda: self._chars(_ALNUM, 11) + "7#",
                lambda: f"{word.capitalize()}-{word}-{r.randrange(10, 99)}",
                lambda: f"P@{word}{r.randrange(10)}w",
            )
        )()

    def _credentials(self) -> str:
        return f"{self._chars(string.ascii_lowercase, 6)}:{self._chars(_ALNUM + '!$%', 11)}7"

    def _name(self) -> str:
        faker = self._fakers[self.random.choice(_NAME_LOCALES)]
        return f"{faker.first_name()} {faker.last_name()}"
