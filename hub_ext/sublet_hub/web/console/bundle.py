"""The built front end, read once: its files by name, and which of them the page begins with.

Names have a hash of what is in them, so browsers keep the files for a year.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sublet_hub.errors import ConfigurationError

BUILT: Final = Path(__file__).parent / "dist"
"""Where the build of ``hub_ext/console`` puts the front end; git ignores it."""
MANIFEST: Final = "manifest.json"
NOT_BUILT: Final = "the console was not built: `make setup` does it, and a wheel has it"
_ENTRY: Final = "src/index.tsx"
_STYLE: Final = "style.css"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file, as it is sent."""

    content_type: str
    plain: bytes
    gzipped: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """The front end."""

    scripts: tuple[str, ...]
    """The names of what the page begins with; it fetches the others when they are needed."""
    styles: tuple[str, ...]
    files: dict[str, BundleFile]


def read_bundle(folder: Path = BUILT) -> Bundle | None:
    """Return the front end; ``None`` where none was built. ``ConfigurationError``: it is broken."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return None
    try:
        built = json.loads(manifest.read_text())
        scripts, styles = (built[_ENTRY]["file"],), (built[_STYLE]["file"],)
        files = {
            path.relative_to(folder).as_posix(): _read(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in _TYPES
        }
    except (KeyError, TypeError, ValueError) as error:
        message = f"{manifest} does not say what the console begins with: build it anew"
        raise ConfigurationError(message) from error
    lacking = {*scripts, *styles} - set(files)
    if lacking:
        message = f"{folder} lacks {min(lacking)}, with which the console begins: build it anew"
        raise ConfigurationError(message)
    return Bundle(scripts, styles, files)


def _read(path: Path) -> BundleFile:
    plain = path.read_bytes()
    # Without a time, so that the same file is always sent alike.
    return BundleFile(_TYPES[path.suffix], plain, gzip.compress(plain, mtime=0))
