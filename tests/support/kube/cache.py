"""A folder outside the repository for what takes long to make.

Each thing is made once, whole or not at all.
Whoever comes second waits for the first. What is made lies beside its final place until it is
complete.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MARK: Final = ".part-"


def cache_folder() -> Path:
    """Where things are kept between runs: ``$XDG_CACHE_HOME/sublet``, or ``~/.cache/sublet``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sublet"


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold a lock between processes while the block lasts."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def made_once(place: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder; ``make`` fills an empty one where it is not there yet."""
    if place.exists():
        return place
    with alone(place.with_name(place.name + ".lock")):
        for left in place.parent.glob(place.name + _MARK + "*"):
            shutil.rmtree(left)
        if not place.exists():
            part = Path(tempfile.mkdtemp(prefix=place.name + _MARK, dir=place.parent))
            part.chmod(0o755)
            make(part)
            part.rename(place)
    return place


def keep_newest(pattern: str, count: int) -> None:
    """Forget all but the newest few of the things whose names fit: old images would fill a disk."""
    found = [each for each in cache_folder().glob(pattern) if not each.name.endswith(".lock")]
    for old in sorted(found, key=lambda each: each.stat().st_mtime, reverse=True)[count:]:
        shutil.rmtree(old, ignore_errors=True)
        old.with_name(old.name + ".lock").unlink(missing_ok=True)
