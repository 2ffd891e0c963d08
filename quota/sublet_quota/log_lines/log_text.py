"""Text as it may stand in a log: one line stays one line, and a terminal shows it as it is.

Names, paths and what processes say are their owners' to choose: they could hold line breaks that
make another line, or what moves a terminal's cursor. What cannot be printed is written as Python
would write it.
"""

from collections.abc import Iterable
from typing import Final

from sublet_quota.log_lines.redaction import redact

MOST_OF_A_LINE: Final = 4000
MOST_OF_A_BLOCK: Final = 12_000
MOST_FOREIGN: Final = 1000
_MOST_READ: Final = 16_384
_MARGIN: Final = 4096
"""How much beyond that is looked at for secrets, in characters: what is cut through shows none."""
_INDENT: Final = "    "


def clean_line(text: str, known: Iterable[str] = (), most: int = MOST_OF_A_LINE) -> str:
    """Return the text as one line: no secrets, nothing unprintable, ``most`` characters."""
    beginning = redact(text[: _MOST_READ + _MARGIN], known)
    dropped = max(0, len(text) - _MOST_READ)
    if dropped:
        beginning = beginning[: max(0, len(beginning) - _MARGIN)]
    return _cut(escape(beginning), most, dropped=dropped)


def clean_block(text: str, known: Iterable[str] = (), most: int = MOST_OF_A_BLOCK) -> str:
    """Return lines such as a traceback's, indented, so that none passes for a line of the log.

    Of a long text the end is kept, where a traceback says what was wrong.
    """
    lines = _end_of(text, known).split("\n")
    indent = "" if all(line.startswith(_INDENT) for line in lines) else _INDENT
    shown = "\n".join(_cut(indent + escape(line), MOST_OF_A_LINE) for line in lines)
    if len(shown) <= most and len(text) <= _MOST_READ:
        return shown
    head = f"{_INDENT}(the beginning is left out)\n"
    return head + _INDENT + shown[-(most - len(head) - len(_INDENT)) :]


def quote_foreign(text: str, most: int = MOST_FOREIGN) -> str:
    """Return the end of what somebody else has said, in quotes, for a line of the log."""
    end = escape(_end_of(text, foreign=True).strip())
    if len(end) > most:
        end = "..." + end[-(most - 3) :]
    return '"' + end.replace('"', '\\"') + '"'


def escape(text: str) -> str:
    """Return the text with everything that is not printable written as an escape sequence."""
    if text.isprintable():
        return text
    return "".join(_escaped(char) for char in text)


def _end_of(text: str, known: Iterable[str] = (), *, foreign: bool = False) -> str:
    """Return the end of a text without secrets, be it that the cut goes through one."""
    end = redact(text[-(_MOST_READ + _MARGIN) :], known, foreign=foreign)
    # Cut only now, and where more was looked at: a secret is known by what stands before it.
    return end if len(text) <= _MOST_READ else end[_MARGIN:]


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def _cut(text: str, most: int, dropped: int = 0) -> str:
    if len(text) <= most and not dropped:
        return text
    tail = f"... ({len(text) + dropped} characters)"
    return text[: most - len(tail)] + tail
