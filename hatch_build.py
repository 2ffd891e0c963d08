"""The build of both front ends, where hatch makes an sdist or a wheel.

An sdist has them built, and all of its files are of one age: a wheel made of it needs no npm.
"""

from pathlib import Path
from typing import Final

from hatch_jupyter_builder.utils import is_stale, run

LAB: Final = Path("labextension")
CONSOLE: Final = Path("hub_ext/console")
SHARED: Final = Path("labextension/format")
_BUILT: Final = {LAB: LAB / "dist", CONSOLE: Path("hub_ext/sublet_hub/web/console/dist")}


def build_front_ends(target: str, version: str) -> None:
    """Build those that are not there, or older than their sources."""
    del target
    # Of an editable installation `make setup` builds the console by itself.
    wanted = [each for each in _BUILT if not (version == "editable" and each is CONSOLE)]
    stale = [
        folder
        for folder in wanted
        if any(is_stale(_BUILT[folder], each / "src") for each in (folder, SHARED))
    ]
    if stale:
        # One npm workspace, with one lock.
        run(["npm", "ci", "--no-fund", "--no-audit"])
    for folder in stale:
        run(["npm", "run", "build"], cwd=str(folder))
