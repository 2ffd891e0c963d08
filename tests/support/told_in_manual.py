"""What the manual promises that people read, taken from its tables, so that a test can hold it."""

import re
from pathlib import Path
from typing import Final

from tests.support.helm_documents import ROOT

NODES_THAT_GO: Final = ROOT / "spawner" / "docs" / "nodes-that-go.md"
_ROW: Final = re.compile(r"^\| \*\*(?P<name>[^*]+)\*\*.*\|$", re.MULTILINE)
_TOLD: Final = re.compile(r'"([^"]+)"')


def rows_of(page: Path) -> dict[str, str]:
    """Return a page's table rows by their first words, which are set in bold."""
    return {found["name"]: found[0] for found in _ROW.finditer(page.read_text())}


def words_told(page: Path, row: str, **names: str) -> list[str]:
    """Return all that stands between quotation marks in a row, with names put in: ``NODE``, say."""
    told = _TOLD.findall(rows_of(page)[row])
    assert told, f"{page.name}: the row {row} quotes nothing"
    for name, value in names.items():
        told = [each.replace(name, value) for each in told]
    return told
