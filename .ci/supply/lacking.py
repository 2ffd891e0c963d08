"""Say which packages of a lock an image lacks, and whether Sublet's needs are met by what is there.

Run while an image is built, by the Python of its base. What the base has stays, in its version:
``lacking.py LOCK`` writes the lines of the others, for pip to install without dependencies;
``lacking.py --check`` fails, and says why, where Sublet's requirements are not met afterwards.
"""

import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from locked import Locked, read, wanted
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def there(name: str) -> str | None:
    """Return the version in which a package is installed here."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def lacking(locked: Iterable[Locked]) -> list[str]:
    """Return the lines of a lock that are not installed here in any version."""
    here = wanted(locked, {key: str(value) for key, value in default_environment().items()})
    return [
        " ".join(
            [f"{each.name}=={each.version}", *(f"--hash=sha256:{h}" for h in sorted(each.hashes))]
        )
        for each in here.values()
        if there(each.name) is None
    ]


def unmet(root: str) -> Iterator[str]:
    """Yield what a package needs, with all that this leads to, and does not find here."""
    ahead, seen = [Requirement(root)], set()
    while ahead:
        wish = ahead.pop()
        found = there(wish.name)
        if found is None or not wish.specifier.contains(found, prereleases=True):
            yield f"{wish}: {found or 'not installed'}"
            continue
        for extra in ("", *wish.extras):
            step = (canonicalize_name(wish.name), extra)
            if step in seen:
                continue
            seen.add(step)
            needs = (Requirement(text) for text in requires(wish.name) or ())
            ahead += [n for n in needs if n.marker is None or n.marker.evaluate({"extra": extra})]


def main() -> None:
    """Write the lines, or check."""
    if sys.argv[1:] == ["--check"]:
        problems = sorted(set(unmet("sublet")))
        if problems:
            sys.exit("The base image does not fit:\n  " + "\n  ".join(problems))
        return
    (lock,) = sys.argv[1:]
    print("\n".join(lacking(read(Path(lock).read_text()))))


if __name__ == "__main__":
    main()
