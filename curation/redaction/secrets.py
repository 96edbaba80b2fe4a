"""Secrets: keys whose issuers gave them a recognizable form, and values that are called a secret.

Sources of the forms: GitHub "About authentication to GitHub" (token prefixes), AWS IAM identifiers
(AKIA, ASIA), GitLab token overview, Slack token types, Stripe API keys, Google API keys and OAuth,
Anthropic and OpenAI key prefixes, RFC 7519 (JWT), RFC 7468 (PEM), and the open rule sets of detect-secrets
(Apache-2.0), gitleaks (MIT) and GitHub's secret scanning patterns, which list the others.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from curation.redaction.findings import Finding

_ISSUED: Final = {
    "anthropic": r"sk-ant-[a-z0-9]{2,12}-[A-Za-z0-9_-]{20,200}",
    "openai": r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,220}|sk-[A-Za-z0-9]{20,64}",
    "openrouter": r"sk-or-v1-[0-9a-f]{40,64}",
    "github": r"gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{40,255}",
    "gitlab": r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-[A-Za-z0-9_.-]{20,64}",
    "aws": r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
    "slack": r"xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-[0-9]-[A-Za-z0-9-]{10,250}",
    "slack webhook": r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,120}",
    "discord webhook": r"discord(?:app)?\.com/api/webhooks/[0-9]{15,20}/[A-Za-z0-9_-]{40,120}",
    "stripe": r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,250}|whsec_[A-Za-z0-9+/=]{20,100}",
    "google": r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,400}|GOCSPX-[A-Za-z0-9_-]{28}|"
    r"1//0[A-Za-z0-9_-]{40,120}",
    "jwt": r"ey[IJ][A-Za-z0-9_-]{8,4096}\.ey[IJ][A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{0,1024}",
    "npm": r"npm_[A-Za-z0-9]{36}",
    "pypi": r"pypi-[A-Za-z0-9_-]{50,250}",
    "hugging face": r"(?:hf|api_org)_[A-Za-z0-9]{30,40}",
    "sendgrid": r"SG\.[A-Za-z0-9_-]{16,24}\.[A-Za-z0-9_-]{39,50}",
    "twilio": r"(?:SK|AC)[0-9a-f]{32}",
    "mailgun": r"key-[0-9a-f]{32}",
    "mailchimp": r"[0-9a-f]{32}-us[0-9]{1,2}",
    "telegram": r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}",
    "discord": r"[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}",
    "digitalocean": r"do[oprt]_v1_[0-9a-f]{64}",
    "shopify": r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    "square": r"(?:sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,43}|EAAA[A-Za-z0-9_-]{60})",
    "databricks": r"dapi[0-9a-f]{32}(?:-[0-9])?",
    "vault": r"hv[sbr]\.[A-Za-z0-9_-]{20,300}",
    "terraform": r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}",
    "grafana": r"gl(?:sa|c)_[A-Za-z0-9+/=_]{32,400}",
    "atlassian": r"ATATT3[A-Za-z0-9_=-]{60,250}",
    "linear": r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}",
    "notion": r"(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,50})",
    "airtable": r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
    "figma": r"figd_[A-Za-z0-9_-]{36,50}",
    "doppler": r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{38,60}",
    "new relic": r"NRAK-[A-Z0-9]{27}",
    "sentry": r"sntry[su]_[A-Za-z0-9+/=_-]{40,400}",
    "planetscale": r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9=._-]{32,64}",
    "supabase": r"sbp_[0-9a-f]{40}|sb_secret_[A-Za-z0-9_-]{20,60}",
    "groq": r"gsk_[A-Za-z0-9]{40,64}",
    "xai": r"xai-[A-Za-z0-9]{60,90}",
    "perplexity": r"pplx-[A-Za-z0-9]{40,64}",
    "replicate": r"r8_[A-Za-z0-9]{37}",
    "fireworks": r"fw_[A-Za-z0-9]{20,40}",
    "langfuse": r"[sp]k-lf-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "langsmith": r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}",
    "wandb": r"wandb_v1_[A-Za-z0-9_]{40,100}",
    "docker": r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,40}",
    "postman": r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}",
    "facebook": r"EAA[A-Za-z0-9]{80,250}",
    "age": r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
    "azure": r"(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,90}={0,2}",
    "cloudflare": r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}",
}
_STARTS: Final = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(_ISSUED.values())})(?![A-Za-z0-9])")
_PEM: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]{1,60}-----")
_PEM_BODY: Final = re.compile(r"(?:[A-Za-z0-9+/=\s]|\\[nr]){0,8192}+")
_PEM_CHARS: Final = 8192

_CALLED: Final = re.compile(
    r"(?:api[ _-]?keys?|secret[ _-]?(?:access[ _-]?)?keys?|access[ _-]?keys?|private[ _-]?keys?|"
    r"auth[ _-]?keys?|account[ _-]?key|"
    r"encryption[ _-]?key|signing[ _-]?key|client[ _-]?secret|app[ _-]?secret|webhook[ _-]?secret|secret|"
    r"(?:access|auth|bearer|refresh|session|api|bot|id|personal)[ _-]?tokens?|token|"
    r"credentials?|(?<![A-Za-z])sig|signature|"
    r"authorization:? (?:basic|bearer|token)|bearer)"
    r"(?:[_-](?:key|value|prod|production|dev|staging|test|live))?(?![A-Za-z])"
    r"[\"'`\])}]{0,2}\s{0,4}(?:=>|:=|==?|:|\bis\b|\bto\b|(?<=[Bb]earer)|(?<=[Bb]asic)|"
    r"(?<=BEARER))\s{0,4}(?:[Bb]earer |[Bb]asic )?[\"'`]{0,3}"
    r"([A-Za-z0-9+/=_.~:%!@#$^&*-]{8,512})",
    re.IGNORECASE,
)
_DISCLOSES: Final = (
    r"(?:pass ?(?:word|code|phrase)|passwd|(?<![A-Za-z])pwd|(?<![A-Za-z])pw(?=[ :=])|passwort|kennwort|"
    r"mot de passe|contraseña|senha|wachtwoord|hasło|lösenord|parola|пароль|密码|密碼|パスワード|비밀번호)"
)
_VALUE: Final = r"([^\s\"'`“”<>{}()\[\],;]{5,128})"
_PASSWORD: Final = re.compile(
    rf"{_DISCLOSES}(?:[_-](?:prod|dev|test|confirmation))?(?![A-Za-z])[\"'`\])}}]{{0,2}}"
    r"(?:(?: (?:for|of|on|für|de|para) [\w ./@-]{1,40}?)?\s{0,4}"
    r"(?:=>|:=|==?|:|\bis(?: now| still| set to)?\b|\bwas\b|\bto\b|\bist\b|\bwar\b|\blautet\b|\best\b|\bes\b|"
    r"(?<= )é\b|(?<= )è\b|是|は|為|为)\s{0,4}|\s)"
    rf"[\"'`“]{{0,3}}{_VALUE}",
    re.IGNORECASE,
)
_AS_PASSWORD: Final = re.compile(
    rf"(?<!\S)[\"'`“]?{_VALUE}[\"'`”]? (?:as|als|comme|como|come) "
    rf"(?:\w{{1,8}} ){{0,2}}{_DISCLOSES}",
    re.IGNORECASE,
)
_STAND_IN: Final = re.compile(
    r"\A(?:x{3,}|\*{3,}|\.{3,}|_+|-+)|your|example|change[ _-]?me|placeholder|insert|replace|redacted|"
    r"dummy|<|\$|\{|%\(|os\.|env\b|environ|getenv|"
    r"process\.|config\.|settings\.|self\.|secrets\.|\A(?:none|null|true|false|string|required|undefined|"
    r"optional|hidden)\b|…|\.\.\.",
    re.IGNORECASE,
)


# Rust's engine counts repetitions in states: a long upper bound makes it slow, and a sieve needs none.
ISSUED_SIEVE: Final = re.sub(r"\{([0-9]+),[0-9]+\}", r"{\1,}", "|".join(_ISSUED.values()))
PEM_SIEVE: Final = "-----BEGIN "
CALLED_SIEVE: Final = (
    r"(?i:key|secret|token|credential|sig|signature|authorization|bearer)[sS]?(?:[_-][A-Za-z]{3,10})?"
    r"[\\\"'`\])}]{0,4}(?:[ \t\n\r]|\\[nrt]){0,4}(?:=|:|(?i:is|to)[^A-Za-z])|(?i:bearer|basic)[ \t\n\r\\]"
)
DISCLOSURE_SIEVE: Final = (
    r"(?i:pass ?word|pass ?code|pass ?phrase|passwd|pwd|pw[ :=]|passwort|kennwort|mot de passe|"
    r"contraseña|senha|"
    r"wachtwoord|hasło|lösenord|parola|пароль|密码|密碼|パスワード|비밀번호)"
)


def issued(text: str) -> Iterator[Finding]:
    """Keys and tokens in the form their issuer gives them."""
    for match in _STARTS.finditer(text):
        yield Finding(match.start(), match.end(), "secret", match[0])


def private_keys(text: str) -> Iterator[Finding]:
    """Private keys in PEM."""
    done = 0
    while (begin := _PEM.search(text, done)) is not None:
        end_at = text.find("-----END", begin.end(), begin.end() + _PEM_CHARS)
        end = _PEM_END.match(text, end_at) if end_at >= 0 else _PEM_BODY.match(text, begin.end())
        done = end.end() if end is not None else begin.end()
        yield Finding(begin.start(), done, "secret", text[begin.start() : done])


def called_secret(text: str) -> Iterator[Finding]:
    """Values that are called a key, a token or a secret and are as random as one."""
    return _values(_CALLED, text, _is_token)


def passwords(text: str) -> Iterator[Finding]:
    """Values that are called a password."""
    yield from _values(_PASSWORD, text, _is_password)
    yield from _values(_AS_PASSWORD, text, _is_password)


def _values(pattern: re.Pattern[str], text: str, is_secret: Callable[[str], bool]) -> Iterator[Finding]:
    for match in pattern.finditer(text):
        value = match[1].rstrip(".,;:")
        if is_secret(value):
            yield Finding(match.start(1), match.start(1) + len(value), "secret", value)


def _is_token(value: str) -> bool:
    """Whether a value that is called a secret can be one: long, of mixed characters, no stand-in."""
    if (
        len(value) < 8
        or _STAND_IN.search(value)
        or not re.search(r"[0-9]", value)
        or not re.search(r"[A-Za-z]", value)
    ):
        return False
    if re.fullmatch(r"(?:[a-z]+[-_.])+v?[0-9.]+|[0-9.,:-]+[a-z]{0,2}|[A-Za-z]+[0-9]{1,2}", value):
        return False
    return entropy(value) >= (2.9 if len(value) < 16 else 3.0)


def _is_password(value: str) -> bool:
    """Whether a word after `password` can be one: letters mixed with digits or signs, no stand-in."""
    if (
        len(value) < 5
        or _STAND_IN.search(value)
        or re.fullmatch(r"[A-Za-z_]+(?:[./=-][A-Za-z_]+)*[./=]?", value)
    ):
        return False
    kinds = [
        re.search(kind, value.rstrip("?!")) is not None
        for kind in (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^A-Za-z0-9_.'/-]")
    ]
    return sum(kinds) + (value[-1] == "!") >= 2 and not re.fullmatch(
        r"[0-9.]+(?:[a-z]+|[-+][0-9.]*[a-z]*)?", value
    )


def entropy(value: str) -> float:
    """Shannon entropy of the characters, bits each."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())
