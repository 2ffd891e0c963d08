"""Read locks: which version of each package is installed, where, and what its files' SHA-256 are.

A lock is a file of pip's requirements, each of one version and with hashes. This file is also used
in images, so it needs nothing but ``packaging``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

FOLDER: Final = Path(__file__).parents[1] / "locks"
_HASH: Final = re.compile(r"\s--hash=sha256:([0-9a-f]{64})")


class LockError(Exception):
    """A lock says something that no lock may say."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One package in one version."""

    requirement: Requirement
    version: Version
    hashes: frozenset[str]
    """SHA-256 of each file that may be installed, in hexadecimal digits."""

    @property
    def name(self) -> str:
        """The package's name, as registries write it."""
        return canonicalize_name(self.requirement.name)

    def wanted(self, environment: Mapping[str, str]) -> bool:
        """Return whether it is installed where markers see this."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate({**environment, "extra": ""})


def read(text: str) -> list[Locked]:
    """Return what a lock's text says; raises where a line is no version with its hashes."""
    return [_locked(line) for line in _lines(text)]


def wanted(locked: Iterable[Locked], environment: Mapping[str, str]) -> dict[str, Locked]:
    """Return by name what is installed where markers see this; raises where that is ambiguous."""
    found: dict[str, Locked] = {}
    for each in locked:
        if each.wanted(environment) and found.setdefault(each.name, each) is not each:
            message = f"{each.name} is locked to {found[each.name].version} and {each.version}"
            raise LockError(message)
    return found


def _lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def _locked(line: str) -> Locked:
    hashes = frozenset(_HASH.findall(line))
    rest = _HASH.sub("", line).strip()
    if not hashes or rest.startswith("-") or "--" in rest:
        message = f"no package with its hashes: {rest}"
        raise LockError(message)
    requirement = Requirement(rest)
    exact = re.fullmatch(r"==([^*]+)", str(requirement.specifier))
    if requirement.url or requirement.extras or not exact:
        message = f"not one version of a package: {rest}"
        raise LockError(message)
    return Locked(requirement, Version(exact[1]), hashes)
