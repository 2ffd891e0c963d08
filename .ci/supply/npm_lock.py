"""Read npm's locks: what one folder of a workspace leads to, as Node finds it there."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from locked import LockError

_NEEDED: Final = ("dependencies", "optionalDependencies", "peerDependencies")


def led_to(packages: Mapping[str, Any], folder: str) -> Iterator[tuple[str, bool]]:
    """Yield the path in the lock of each package that a folder leads to, and whether it is needed.

    What is not needed only builds or checks. Packages of the workspace itself are followed, and not
    told. The folder ``""`` is the lock's own. Raises where the lock lacks what one of them names.
    """
    needed = _reached(packages, [folder], development=False)
    builds = _reached(packages, [folder], development=True)
    for path in sorted(needed | builds):
        if "node_modules/" in path:
            yield path, path in needed


def _reached(packages: Mapping[str, Any], ahead: list[str], *, development: bool) -> set[str]:
    (root,), seen = ahead, set(ahead)
    while ahead:
        path = ahead.pop()
        kinds = (*_NEEDED, "devDependencies") if development and path == root else _NEEDED
        for name, may_lack in _named(packages[path], kinds):
            found = _found(packages, path, name)
            if found is None and not may_lack:
                message = f"{path or 'the lock'} names {name}, which npm's lock does not have"
                raise LockError(message)
            if found is not None and found not in seen:
                seen.add(found)
                ahead.append(found)
    return seen


def _named(told: Mapping[str, Any], kinds: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Yield what a package names, and whether it may be without that."""
    optional = set(told.get("optionalDependencies", ()))
    peers = told.get("peerDependenciesMeta", {})
    optional |= {name for name, meta in peers.items() if meta.get("optional")}
    for kind in kinds:
        for name in told.get(kind, ()):
            # What a package would only get along with is no reason for it to be there.
            if kind != "peerDependencies" or name not in optional:
                yield name, name in optional


def _found(packages: Mapping[str, Any], path: str, name: str) -> str | None:
    """Return where Node finds a package that is asked for by its name in a folder."""
    while True:
        place = f"{path}/node_modules/{name}" if path else f"node_modules/{name}"
        if place in packages:
            told = packages[place]
            return str(told["resolved"]) if told.get("link") else place
        if not path:
            return None
        path = path.rpartition("/")[0]
