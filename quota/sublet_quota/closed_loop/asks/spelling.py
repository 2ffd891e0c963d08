"""How texts from anybody stand in a table's cells: no spreadsheet takes one for a formula.

A cell that would begin as one has an apostrophe before it, which is no part of it where it is read.
In the names of groups, which have blanks between them, a blank is written ``%20``.
"""

import re
from typing import Final

from sublet_quota.names.formulas import FORMULAS

_MARKED: Final = (*FORMULAS, "'")
_SEPARATORS: Final = frozenset(',;\t"\r\n')
"""What may part cells: many a spreadsheet goes by a semicolon, or by tabs."""
_SPECIAL: Final = re.compile(r"[%\s]")
_CODES: Final = re.compile(r"(?:%[0-9A-F]{2})+")


def written_cell(text: str) -> str:
    """Return a text as it stands in a cell, quoted where CSV needs that."""
    safe = f"'{text}" if text.startswith(_MARKED) else text
    if not _SEPARATORS & set(safe):
        return safe
    return '"' + safe.replace('"', '""') + '"'


def read_cell(text: str) -> str:
    """Return the text of a cell."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_MARKED) else text


def written_groups(groups: tuple[str, ...]) -> str:
    """Return the names of groups with blanks between them."""
    return " ".join(_SPECIAL.sub(_as_code, group) for group in groups)


def read_groups(text: str) -> tuple[str, ...]:
    """Return the names of groups."""
    return tuple(_CODES.sub(_of_codes, group) for group in text.split())


def _as_code(found: re.Match[str]) -> str:
    return "".join(f"%{each:02X}" for each in found[0].encode())


def _of_codes(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace")
