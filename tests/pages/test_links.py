"""Links between the repository's pages lead somewhere, and files that they name are there."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AREAS = ("helm", "hub_ext", "labextension", "quota", "spawner")


def below(area: str) -> Iterator[Path]:
    """All folders and files of an area but npm's, some of which are gone as one comes to them."""
    for folder, folders, files in os.walk(ROOT / area):
        folders[:] = [each for each in folders if each != "node_modules"]
        yield from (Path(folder, name) for name in (*folders, *files))


PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for area in AREAS for page in sorted(below(area)) if page.suffix == ".md"),
]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
NAMED = re.compile(r"`([\w./-]+\.(?:py|ts|tsx|css)|[\w/-]+/)`")


def places() -> Iterator[str]:
    """Every file and folder of the product, from the root on; folders end with a slash."""
    for area in AREAS:
        yield f"/{area}/"
        for path in below(area):
            yield f"/{path.relative_to(ROOT).as_posix()}{'/' if path.is_dir() else ''}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    broken = [to for to in LINK.findall(page.read_text()) if not (page.parent / to).exists()]
    assert broken == []


def test_the_files_that_the_architecture_names_are_there() -> None:
    known = list(places())
    named = NAMED.findall((ROOT / "ARCHITECTURE.md").read_text())
    assert named
    assert [name for name in named if not any(place.endswith(f"/{name}") for place in known)] == []
