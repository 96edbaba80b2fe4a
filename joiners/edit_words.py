"""Words that tell what an edit did: negations, opposites, and words of no weight."""

from __future__ import annotations

from typing import Final

import polars as pl

IDIOMS: Final = (
    r"\b(?:no (?:more|less|fewer|later|earlier) than|at (?:most|least|the latest)"
    r"|not only|no problem|no worries|why not)\b"
)
"""Phrases with a negation in them that negate nothing."""
CONTRACTED: Final = {
    r"[\u2019\u02bc]": "'",
    r"\b(?:cannot|can'?t)\b": "can not",
    r"\bwon'?t\b": "will not",
    r"n't\b": " not",
    r"'re\b": " are",
    r"'ve\b": " have",
    r"'ll\b": " will",
    r"'d\b": " would",
    r"\bi'm\b": "i am",
    r"\b(it|that|there|here|he|she|what|who|this)'s\b": "$1 is",
}
"""Short forms → what they stand for; after lower-casing, in this order."""

NEGATION: Final = (
    r"\b(?:no|not|never|none|nobody|nothing|neither|nor|without|nicht|kein(?:e[nmrs]?)?|nie|niemals|ohne"
    r"|nein|pas|jamais|aucune?|sans|non|nunca|sin|não|nunca|sem|mai|senza|не|нет|без|никогда)\b"
    r"|[不没沒無无勿]|ない|なく|なかっ|ません|않|못|없|아니"
)
"""Words that turn a statement round."""
YES: Final = (
    r"^\W*(?:(?:yes|yeah|yep|correct|true|right|ja|oui|sí|sim|да|approved|allowed)\b|是|对|可以|はい|네|예)"
)
"""Openings that agree."""
NO: Final = (
    r"^\W*(?:(?:no|nope|incorrect|false|wrong|nein|non|não|нет|denied|rejected|forbidden)\b"
    r"|不|否|没有|いいえ|아니)"
)
"""Openings that decline."""

_PAIRS: Final = (
    "yes no|true false|always never|allowed forbidden|allow forbid|allowed denied|permit prohibit"
    "|approve reject|approved rejected|accept decline|accept reject|accepted rejected|enable disable"
    "|enabled disabled|increase decrease|increased decreased|increases decreases|rise fall|rises falls"
    "|before after|more less|more fewer|above below|include exclude|included excluded|correct incorrect"
    "|legal illegal|possible impossible|safe unsafe|valid invalid|with without|open closed|on off"
    "|start stop|buy sell|good bad|best worst|high low|higher lower|up down|success failure|can not"
    "|available unavailable|required optional|agree disagree|like dislike|recommend avoid|all none"
    "|everything nothing|richtig falsch|erlaubt verboten|immer nie|mit ohne|ja nein|oui non|vrai faux"
    "|toujours jamais|avec sans|sí no|siempre nunca|con sin|verdadero falso|да нет|всегда никогда"
)
OPPOSITES: Final[dict[str, list[str]]] = {}
for _pair in _PAIRS.split("|"):
    _left, _right = _pair.split()
    OPPOSITES.setdefault(_left, []).append(_right)
    OPPOSITES.setdefault(_right, []).append(_left)
"""Word → the words that say the opposite."""

POLAR: Final = sorted(
    {*OPPOSITES, "not", "no", "never", "none", "nor", "neither", "nothing", "nobody", "without", "nicht"}
    | {"kein", "keine", "keinen", "keinem", "keiner", "keines", "nie", "ohne", "ne", "n", "pas", "jamais"}
    | {"aucun", "aucune", "sans", "nunca", "sin", "não", "sem", "не", "нет", "без", *"不没沒無无勿"}
    # What negating a verb drags along.
    | {"do", "does", "did", "is", "are", "was", "were", "will", "would", "could", "should", "any", "some"}
)
"""Words that may change when a statement is turned round."""

_FILLERS: Final = (
    "a an the and or but so that this these those it is are was were be been to of in on at by for from with"
    " about as than then there here i you we he she they me us my your our his her their its do does did have"
    " has had will would can could may might just also please kindly hello hi hey dear good morning afternoon"
    " evening day thanks thank many lot regards best kind wishes sincerely cheers ok okay sure certainly"
    " course unfortunately sadly however therefore since because which who regarding concerning within let"
    " know if when like want & checked edited yours faithfully sir madam team everyone all hope well great"
    " welcome happy help glad looking forward soon very really quite"
    " der die das ein eine einen und oder ist sind im in zu bitte wir bitten danke vielen dank liebe lieber"
    " sehr geehrte geehrter guten tag hallo mit freundlichen grüßen viele grüße"
    " le la les un une et ou est sont de du des votre bonjour merci cordialement"
    " el los las y o es son su una por favor hola gracias saludos"
)
FILLERS: Final = sorted({*_FILLERS.split(), *"的了吗呢吧啊呀嘛哦嗯请问您你们我好谢はがをにのでともねよか"})
"""Words whose change alone says nothing: articles, auxiliaries, greetings and closings."""

CAPITAL_FILLERS: Final = pl.Series([[word.capitalize() for word in FILLERS]], dtype=pl.List(pl.String))
