"""Blots out what could be a secret in a text that goes into a log.

A secret is known by what stands before it (the name of a header, a parameter or a variable), by its
shape, or because this process has it. However a text of a tenant's is made, the time to read it
grows as its length does: a pattern has bounds, or gives nothing back of what it has run over, and
begins only where no run of its is under way.
"""

import re
from collections.abc import Iterable
from typing import Final

BLOT: Final = "[secret]"
_LEAST_KNOWN: Final = 8

_NAMES: Final = (
    r"(?:token|secret|passwo?r?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
    r"|_xsrf|session[_-]?id)(?![_-](?:file|folder)s?\b)[A-Za-z0-9_-]{0,40}+"
)
_CODES: Final = r"(?:code|state|ticket|sig|signature|key|auth)"
_SCHEME: Final = (
    r"(?:(?:token|bearer|basic|negotiate)\s{1,3}|(?!(?:token|bearer|basic|negotiate)\s))"
)
# What was blotted out already stays as it is, whatever stands behind it.
_VALUE: Final = r"(?!\[secret\])[^\s\"'&;,<>]+"

# In quotes, with what else is quoted in it; where they have no end, up to the line's.
_IN_TWO: Final = r"(?!\[secret\])(?:[^\"\\\n]|\\[^\n])++"
_IN_ONE: Final = r"(?!\[secret\])(?:[^'\\\n]|\\[^\n])++"
_QUOTED_IN_TEXT: Final = r"(?!\[secret\])[^\"'\n]++"
_IS: Final = rf"{_NAMES}(?:\s{{0,3}}=|\\?[\"']\s{{0,3}}[:=,])\s{{0,3}}b?"
# In a query that is a value of another, as often as that is so.
_ENCODED: Final = r"%(?:25){0,8}+"
_ENCODED_VALUE: Final = rf"(?!\[secret\])(?:(?!{_ENCODED}26)[^\s\"'&;,<>])++"

_WORDY: Final = "[A-Za-z0-9_-]"
_UP_TO_WEB_TOKEN: Final = rf"(?<!{_WORDY})(?:(?!\beyJ){_WORDY})*+"
_WEB_TOKEN: Final = rf"eyJ{_WORDY}{{8,}}+\.{_WORDY}{{8,}}+(?:\.{_WORDY}*+)?"

_PATTERNS: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        # Cookies: all of the header, whatever the names in it.
        r"(?P<kept>cookie[\"']?\s{0,3}[:=]\s{0,3}\")[^\"]+",
        r"(?P<kept>cookie[\"']?\s{0,3}[:=]\s{0,3}')[^']+",
        r"(?P<kept>cookie\s{0,3}[:=]\s{0,3})[^\s\"'][^\n]*",
        rf"(?P<kept>authorization[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?{_SCHEME}){_VALUE}",
        r"(?P<kept>\b(?:token|bearer|basic|negotiate)\s{1,3})[A-Za-z0-9._~+/=-]{16,}",
        # Of some words, in quotes, which are perhaps quoted themselves.
        rf"(?P<kept>{_IS}\"){_IN_TWO}",
        rf"(?P<kept>{_IS}'){_IN_ONE}",
        rf"(?P<kept>{_IS}\\[\"']){_QUOTED_IN_TEXT}",
        rf"(?P<kept>{_NAMES}{_ENCODED}3D){_ENCODED_VALUE}",
        rf"(?P<kept>{_ENCODED}(?:3F|26){_CODES}{_ENCODED}3D){_ENCODED_VALUE}",
        # name=value, as in queries, environments and forms; "name": "value", as in JSON.
        rf"(?P<kept>{_NAMES}\s{{0,3}}=\s{{0,3}}[\"']?){_VALUE}",
        rf"(?P<kept>{_NAMES}[\"']\s{{0,3}}[:=,]\s{{0,3}}b?\\?[\"']?){_VALUE}",
        rf"(?P<kept>{_NAMES}\s{{0,3}}:\s{{0,3}})(?!\[secret\])[^\s\"'&;,<>]{{16,}}",
        rf"(?P<kept>[?&]{_CODES}=)[^\s\"'&#]+",
        r"(?P<kept>[a-z]://[^\s/:@]{0,100}:)[^\s/@]{1,200}(?=@)",
        r"(?P<kept>-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)(?:[^-]|-(?!----))*+",
        # Shapes: JSON web tokens, and what code forges, hubs of models and clouds give out.
        rf"(?P<kept>{_UP_TO_WEB_TOKEN}){_WEB_TOKEN}",
        r"(?P<kept>)\b(?:gh[oprsu]_|github_pat_|glpat-|hf_|sk-|xox[abps]-)[A-Za-z0-9_-]{16,}",
        r"(?P<kept>)\bAKIA[0-9A-Z]{16}\b",
    )
)
_BARE_TOKEN: Final = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{32,128}(?![0-9A-Za-z])")
"""The shape of JupyterHub's tokens, which is that of ids of slices, too."""


def redact(text: str, known: Iterable[str] = (), *, foreign: bool = False) -> str:
    """Return the text without secrets; ``known`` are secrets of the process that logs.

    In ``foreign`` text no id is worth the risk: what looks like a token of JupyterHub's goes, too.
    """
    for secret in known:
        if len(secret) >= _LEAST_KNOWN:
            text = text.replace(secret, BLOT)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<kept>{BLOT}", text)
    return _BARE_TOKEN.sub(BLOT, text) if foreign else text
