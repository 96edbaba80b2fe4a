"""What the words around a number say it is."""

from __future__ import annotations

import re
from typing import Final

WINDOW: Final = 44
"""How far before a number words count, characters."""
AFTER: Final = 24
"""How far after it."""

_LINK: Final = (
    r"(?:is|are|was|no|nr|nro|num|number|numbers|numero|número|nummer|numer|code|id|reads?|my|mine|which|that|the|"
    r"it's|its|"
    r"ist|lautet|est|es|è|é|e|são|to|er|är|jest|to jest|на|это|for|of|at|on|me|him|her|us|them|back|"
    r"please|do|mnie|mi|moi|mir|mich|mij|mig|en|le|la|el|il|op|au|al|unter|sous|под|here|as|follows|und|"
    r"and|new|"
    r"是|は|です|为|為|号码|号|號碼|番号|번호|는|은)"
)
# A number that is called something else is not what it looks like.
OTHER_NUMBER: Final = re.compile(
    r"(?:\border|invoice|ticket|tracking|shipment|parcel|ref|reference|case|sku|part|model|serial|version|"
    r"isbn|issn|doi|commit|build|error|port|pid|timestamp|epoch|bug|issue|article|artikel|product|item|"
    r"transaction|batch|lot|revision|release|row|line|page|score|checksum|hash|sha|offset|seed|"
    r"bestell\w*|rechnung\w*|auftrag\w*|sendung\w*|commande|facture|pedido|factura|bestelling|v)"
    r"[^\w\n]{0,4}(?:(?:no|nr|id|number|num|nummer|code|is|was|es|est|ist|de|has|the)\b[^\w\n]{0,3}){0,3}\Z"
    r"|[$€£¥#§]\s?\Z",
    re.IGNORECASE,
)


def words(alternatives: str) -> re.Pattern[str]:
    """A pattern that finds one of the words in a window, whole words where the script has them."""
    return re.compile(rf"(?<![A-Za-z])(?:{alternatives})", re.IGNORECASE)


def label(alternatives: str) -> re.Pattern[str]:
    """A pattern that finds one of the words right before the end of a window, with only linking words
    (`is`, `no.`, `:`) in between: the number is called by that name."""
    return re.compile(
        rf"(?<![A-Za-z])(?:{alternatives})[^\w\n]{{0,4}}(?:{_LINK}(?![A-Za-z])[^\w\n]{{0,4}}){{0,5}}\Z",
        re.IGNORECASE,
    )


def label_after(alternatives: str) -> re.Pattern[str]:
    """A pattern that finds one of the words at the start of what follows: `…, that is my passport number`."""
    return re.compile(
        r"[^\w\n]{0,3}(?:(?:that|this|which|it|that's|it's|is|was|as|are|my|the|his|her|our|your|ist|a|an|valid|real|"
        r"meine?|est|mon|a|an|valid|real|correct|"
        rf"ma|es|mi)\b[^\w\n]{{1,2}}){{1,5}}(?:{alternatives})",
        re.IGNORECASE,
    )


def before(text: str, start: int, size: int = WINDOW) -> str:
    """What stands before a position."""
    return text[max(0, start - size) : start]


def after(text: str, end: int, size: int = AFTER) -> str:
    """What stands after a position, up to the end of the line."""
    return text[end : end + size].partition("\n")[0]


def is_other_number(text: str, start: int) -> bool:
    """Whether the words before say that this is an order number, a version, an amount, and so on."""
    return OTHER_NUMBER.search(before(text, start, 32)) is not None
