"""The build of both front ends, where hatch makes an sdist or a wheel.

An sdist has them built, and all of its files are of one age: a wheel made of it needs no npm.
"""

from pathlib import Path
from typing import Final

from hatch_jupyter_builder.utils import is_stale, run

LAB: Final = Path("labextension")
CONSOLE: Final = Path("hub_ext/console")
_BUILT: Final = {LAB: LAB / "dist", CONSOLE: Path("hub_ext/sublet_hub/web/console/dist")}


def build_front_ends(target: str, version: str) -> None:
    """Build those that are not there, or older than their sources."""
    del target
    for folder, built in _BUILT.items():
        # Of an editable installation `make setup` builds the console by itself.
        is_left = version == "editable" and folder is CONSOLE
        if not is_left and is_stale(built, folder / "src"):
            run(["npm", "ci", "--no-fund", "--no-audit"], cwd=str(folder))
            run(["npm", "run", "build"], cwd=str(folder))
