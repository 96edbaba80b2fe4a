"""Names of people, by the words that introduce them.

No light library that works offline knows names by themselves, so what counts is what is said around them:
"my name is", a salutation, a signature, a form's label, a title, a relation. A name found so is then found
wherever it stands in the conversation (`mentions`), whole or in parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from curation.redaction.findings import Finding
from curation.redaction.name_words import COMMON_WORDS, NOT_NAMES, ROLES

_U: Final = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŐŒŔŘŚŞŠŢŤŪŮŰŲŹŻŽȘȚΆΈ-ΏΑ-ΩА-ЯЁЄІЇҐ"
_W: Final = "A-Za-zÀ-ÖØ-öø-ɏͰ-ԯ"
_PART: Final = rf"(?:(?:O'|D'|Mc|Mac|Al-|El-)?[{_U}][{_W}]{{1,24}}(?:[-'][{_U}]?[{_W}]{{1,24}}){{0,2}})"
_LINKS: Final = (
    r"(?:(?:van der|van den|van de|de la|de las|de los|von|van|der|den|de|da|do|dos|das|di|del|della|la|le|"
    r"du|al|bin|ibn|ben|y|ter|zu) )"
)
_NAME: Final = rf"({_PART}(?: (?:[{_U}]\.|{_LINKS}{{0,2}}{_PART})){{0,3}})(?![{_W}0-9_@])"

_TITLE: Final = (
    r"(?:(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herr|Herrn|Frau|Mme|Mlle|Sr|Sra|Srta|Señor|Señora|Signor|Signora|Sig|"
    r"Dhr|Mevr|Pan|Pani|Doctor|Professor|Madame|Monsieur)\.? )"
)
_NEW_LINE: Final = r"(?:\n|\\n|\\r\\n)"
_PEOPLE: Final = (
    r"wife|husband|son|daughter|mother|father|mom|mum|dad|boss|manager|supervisor|colleague|co-?worker|"
    r"friend|"
    r"girlfriend|boyfriend|fianc[ée]e?|partner|sister|brother|aunt|uncle|cousin|nephew|niece|grandmother|"
    r"grandfather|neighbou?r|landlord|landlady|lawyer|attorney|accountant|therapist|doctor|dentist|teacher|"
    r"tutor|nanny|assistant|client|customer|patient|tenant|roommate|flatmate|ex|team ?mate|mentor|intern|"
    r"employee"
)
_OWN: Final = (
    r"(?i:my (?:full |first |last |middle |maiden |given |legal |real |sur|family |nick)?name is|"
    r"my name['’]s|"
    rf"(?:his|her|their|(?:{_PEOPLE}|user|caller|guest|claimant|applicant)['’]s) (?:full |first |"
    rf"last )?name is|"
    r"i am called|i['’]m called|people call me|you can call me|please call me|just call me|i go by|goes by|"
    r"mein name ist|ich hei(?:ß|ss)e|je m['’]appelle|mon nom est|me llamo|mi nombre es|mi chiamo|"
    r"il mio nome è|meu nome é|chamo-me|me chamo|mijn naam is|ik heet|nazywam się|mam na imię|jag heter|"
    r"mitt namn är|jeg heter|jeg hedder|mit navn er|nimeni on|benim adım|меня зовут|мене звати) "
)
_HERE: Final = r"(?:I['’]m|I am|[Tt]his is|Hier ist|Hier spricht|[Ss]oy|Je suis) "
_HERE_TAIL: Final = (
    r"(?=,? (?:from|speaking|calling|here|writing|with (?:the )?[A-Z]|at [A-Z]|and I(?:'m| )|and my|from|"
    r"von|"
    r"de la|aus)\b)"
)
_GREETING: Final = (
    r"(?:Dear|Hi|Hello|Hey|Hiya|Good (?:morning|afternoon|evening)|Greetings|Liebe|Lieber|Hallo|"
    r"Guten (?:Tag|Morgen)|Sehr geehrte|Sehr geehrter|Cher|Chère|Bonjour|Estimad[oa]|Querid[oa]|Hola|"
    r"Caro|Cara|"
    r"Gentile|Ciao|Prezad[oa]|Olá|Beste|Geachte|Hej|Hei|Kære|Kjære|Cześć|Szanown[ya]) (?:heer |mevrouw )?"
)
_CLOSING: Final = (
    r"(?i:(?:best|kind|warm|kindest|warmest)(?: regards| wishes)?|regards|sincerely(?: yours)?|"
    r"yours (?:truly|faithfully|sincerely)|respectfully|cheers|many thanks|thanks(?: again| so much|"
    r" a lot)?|"
    r"thank you(?: so much| very much)?|cordially|love|take care|all the best|mit freundlichen grüßen|"
    r"(?:viele|liebe|beste|herzliche) grüße|mfg|lg|vg|cordialement|bien à vous|amicalement|"
    r"saludos(?: cordiales)?|atentamente|un saludo|cordiali saluti|distinti saluti|atenciosamente|abraços|"
    r"met vriendelijke groet(?:en)?|groeten|pozdrawiam|med vänlig hälsning|mvh|med venlig hilsen)"
)
_SAME_LINE: Final = (
    r"(?i:regards|sincerely|grüßen|cordialement|saludos|saluti|atenciosamente|groet|pozdrawiam),? "
)
_ROLE: Final = (
    r"(?:full|first|last|given|family|sur|middle|maiden|customer|client|patient|contact|account ?holder|"
    r"card ?holder|holder|employee|recipient|beneficiary|passenger|guest|tenant|student|user|sender|"
    r"insured|"
    r"applicant|candidate|caller|driver|owner|manager|attorney|doctor|physician|policy ?holder|"
    r"emergency contact|billing|shipping|legal|voor|nach|vor|display)"
)
_FIELD: Final = (
    rf"(?i:(?:{_ROLE}[ _-]?name(?: is)?|customer|client|patient|account ?holder|card ?holder|recipient|"
    r"beneficiary|passenger|tenant|insured|applicant|candidate|caller|policy ?holder|emergency contact|"
    r"attention|"
    r"attn|signed|sender|contact person|interviewer|author|assignee|reporter|(?:requested|prepared|"
    r"submitted|"
    r"reported|approved|signed|written|sent) by|assigned to|name|nom|nombre|nome|naam|namn|imię i nazwisko|"
    r"nachname|vorname|prénom|cognome|apellidos?|ansprechpartner|kunde|kundin|patientin?|cliente|kontakt)"
    r"[\"'*_`]{0,3}\s{0,2}[:=][ \t\"'*_`]{0,4}|(?:from|to|cc|bcc|von|an|de|para):[ \t]{1,3}[\"']?)"
)
_RELATION: Final = (
    rf"(?i:(?:my|our|his|her|their|your) (?:\w{{1,12}} )?(?:{_PEOPLE})(?:,| named| called| is)?) "
)
_ACT: Final = (
    r"(?i:spoke (?:with|to)|speak (?:with|to)|talked (?:with|to)|talk to|meeting with|met with|call with|"
    r"contact|"
    r"ask for|asked for|e?-?mail from|message from|letter from|reply to|hear from|c/o|on behalf of|"
    r"(?:signed|written|sent|prepared) by|attn|attention|emailed|phoned|interview(?:ed)? with|"
    r"appointment with|"
    r"invoice for|account of|belongs to|signed|transfer(?:red)? (?:me )?to|connect (?:me )?(?:to|with)|"
    r"put (?:me )?through to|"
    r"patient|client|customer|tenant|employee|passenger|remind|introduce|"
    r"recommend) "
)
_TWO: Final = (
    rf"({_PART} (?:(?:[{_U}]\.|{_LINKS}{{0,2}}{_PART}) ){{0,2}}{_LINKS}{{0,2}}{_PART})(?![{_W}0-9_@])"
)
_MAILTO: Final = r"[<(\[](?:mailto:)?[A-Za-z0-9_.+%-]{1,64}@"
_BORN: Final = (
    r"\(?(?:born|geboren|né|née|nacid[oa]|DOB|D\.O\.B|aged|can be reached|lives at|lives in|resides|wohnt|"
    r"called me|phoned me|emailed me|texted me)"
)
_FREE: Final = rf"(?<![{_W}0-9_])"
_AT_LINE: Final = r"(?:^|(?<=[\"“>])|(?<=[.!?:>] ))[ \t]*"
_UP_TO: Final = r"(?=[ \t\"'*_`]*(?:[,;.|<(\n/\"}]|$| and | - |  ))"

_THEN: Final = rf"(?:\\?[\"'*_`])*[{_U}]"
HAN_SIEVE: Final = (
    r"我叫|我的名字|我姓名|姓名|名字|联系人|收件人|名前|氏名|と申します|이름|저는|اسمي|שמי|मेरा नाम"
)


class Cue(NamedTuple):
    """Words that introduce a name: the pattern whose first group is the name, and its sieve: what a text
    with a match holds, for Rust's regex engine, also where the text is a JSON string."""

    pattern: re.Pattern[str]
    sieve: str


def _cue(pattern: str, sieve: str) -> Cue:
    return Cue(re.compile(pattern, re.MULTILINE), sieve)


CUES: Final = (
    _cue(rf"{_FREE}{_OWN}{_TITLE}?{_NAME}", rf"{_OWN}{_THEN}"),
    _cue(rf"{_FREE}{_HERE}{_TITLE}?{_NAME}{_HERE_TAIL}", rf"{_HERE}{_THEN}"),
    _cue(
        rf"{_AT_LINE}{_GREETING}{_TITLE}?{_NAME}(?=[ \t]*(?:[,!:.;–—]|\n|$))",
        rf"{_GREETING}{_THEN}",
    ),
    _cue(
        rf"(?:^|(?<=[.!,;:>]))[ \t]*{_CLOSING}[ \t]*[,.!–—-]{{0,2}}[ \t]*\n{{1,3}}[ \t]*(?:[-–—~] ?)?"
        rf"{_TITLE}?{_NAME}[ \t]*(?=[,.|(]|\n|$)",
        rf"{_CLOSING}[ \t]*[,.!–—-]{{0,2}}[ \t]*{_NEW_LINE}",
    ),
    _cue(rf"{_FREE}{_SAME_LINE}{_NAME}(?=\s*(?:[.,\n]|$))", rf"{_SAME_LINE}{_THEN}"),
    _cue(rf"{_FREE}{_SAME_LINE}{_TWO}", rf"{_SAME_LINE}{_THEN}"),
    _cue(rf"{_FREE}{_FIELD}{_TITLE}?{_NAME}{_UP_TO}", rf"{_FIELD}{_THEN}"),
    _cue(rf"{_FREE}{_FIELD}{_TITLE}?{_TWO}", rf"{_FIELD}{_THEN}"),
    _cue(rf"{_FREE}{_TITLE}{_NAME}", rf"{_TITLE}[{_U}]"),
    _cue(rf"{_FREE}{_RELATION}{_NAME}", rf"{_RELATION}[{_U}]"),
    _cue(rf"{_FREE}{_ACT}{_TITLE}?{_TWO}", rf"{_ACT}[{_U}]"),
    _cue(rf"{_FREE}{_TWO}(?=[ \t]{{0,2}}{_MAILTO})", rf"[A-Za-z\u0080-\uffff][ \t]{{0,2}}(?:\\t)?{_MAILTO}"),
    _cue(rf"{_FREE}{_TWO}(?=,? {_BORN})", rf",? {_BORN}"),
)
_HAN: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:我叫|我的名字是|我的名字叫|我姓名是|"
        r"姓名[:：] ?|名字[:：] ?|联系人[:：] ?|收件人[:：] ?)([\u4e00-\u9fff]{2,4}?)"
        r"(?=[,，。.!！、\s]|$|的|，|电话)",
        r"(?:私の名前は|名前は|氏名[:：] ?|お名前[:：] ?)([\u4e00-\u9fff\u3041-\u30ff]{2,8}?)"
        r"(?=です|と申|と言|といい|[,、。\s]|$)",
        r"([\u4e00-\u9fff]{2,5})と申します",
        r"(?:제 이름은|저는|이름[:：]) ?([\uac00-\ud7a3]{2,4}?)(?=입니다|이고|이에요|예요|라고|[,.\s]|$)",
        r"(?:اسمي|שמי|שמי הוא|"
        r"मेरा नाम) ([\u0590-\u06ff\u0900-\u097f]{2,20}(?: [\u0590-\u06ff\u0900-\u097f]{2,20})?)"
        r"(?=[,.،।\s]|$)",
    )
)


def introduced(cue: Cue, text: str) -> Iterator[Finding]:
    """Names after words that introduce one."""
    for match in cue.pattern.finditer(text):
        if (span := _trimmed(text, *match.span(1))) is not None:
            yield Finding(*span, "name", text[slice(*span)].casefold())


def introduced_unspaced(text: str) -> Iterator[Finding]:
    """The same for Chinese, Japanese, Korean, Arabic, Hebrew and Hindi."""
    for cue in _HAN:
        for match in cue.finditer(text):
            yield Finding(*match.span(1), "name", match[1])


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The span up to the first word that is no name; None when nothing is left."""
    words = list(re.finditer(r"[^ ]+", text[start:end]))
    kept = 0
    for word in words:
        bare = word[0].rstrip(".'").casefold()
        if bare in NOT_NAMES or (word[0].isupper() and len(bare) > 3 and len(words) == 1):
            break
        kept = word.end()
    name = re.sub(r"'s\Z", "", text[start : start + kept].rstrip(" '"))
    while name and name.rpartition(" ")[2].islower():
        name = name.rpartition(" ")[0]
    return (start, start + len(name)) if len(name) >= 2 else None


def from_emails(addresses: Iterable[str]) -> Iterator[str]:
    """Names that addresses spell (`maria.garcia@…`), in title case."""
    for address in addresses:
        parts = re.split(r"[._-]", address.partition("@")[0])
        if len(parts) == 2 and all(p.isalpha() and len(p) >= 3 and p not in ROLES for p in parts):
            yield " ".join(part.capitalize() for part in parts)


class Mentions:
    """Finds known names again, whole or in parts, and knows which mentions are the same person."""

    def __init__(self, known: Iterable[str]) -> None:
        """`known`: names as they are written somewhere in the conversation."""
        self._person: dict[str, str] = {}
        forms: set[str] = set()
        # Longer names first: a first name alone is the person whose whole name is known.
        for name in sorted(set(known), key=lambda n: (-len(n.split()), n)):
            person = self._person.setdefault(name.casefold(), name.casefold())
            forms |= {name, name.upper()}
            for part in name.split():
                bare = part.casefold()
                if len(bare) >= 3 and part[0].isupper() and part[-1] != "." and bare not in COMMON_WORDS:
                    self._person.setdefault(bare, person)
                    forms.add(part)
        alternatives = "|".join(re.escape(form) for form in sorted(forms, key=lambda f: (-len(f), f)))
        edge = rf"(?<![{_W}0-9_])(?:{alternatives})(?![{_W}0-9_@])"
        self._pattern = re.compile(edge if all(map(_is_spaced, forms)) else alternatives) if forms else None

    def person(self, key: str) -> str:
        """The key of the person a name's key stands for."""
        return self._person.get(key, key)

    def find(self, text: str) -> Iterator[Finding]:
        """Mentions in a text."""
        if self._pattern is not None:
            for match in self._pattern.finditer(text):
                yield Finding(match.start(), match.end(), "name", self.person(match[0].casefold()))


def _is_spaced(name: str) -> bool:
    """Whether the name is in a script that sets words apart."""
    return name[0] < "\u2e80"
