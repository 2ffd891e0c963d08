"""The manifest: what an installation made, so that exactly that can be removed again.

It is in a folder that root alone can write: what is in it, root removes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sublet_hub.errors import ConfigurationError
from sublet_hub.installation.changes import Account, Change, File, Folder, Line, Link, Secret

_KINDS = {Folder: "folder", File: "file", Secret: "secret", Line: "line", Link: "link"}


@dataclass(frozen=True, slots=True)
class Made:
    """One thing that an installation made."""

    kind: str
    path: str
    """An account's name, or where the thing is."""
    what: str
    digests: tuple[str, ...] = ()
    """The contents of a file that are Sublet's: with any other, somebody changed it since."""
    target: str = ""
    mark: str = ""
    original: str | None = None
    """Where the content is kept that a file had before, while it was somebody else's."""
    replaced: str = ""
    """The digest of that content: with it, the file is as it was."""


def entry_for(change: Change) -> Made:
    """Return the entry of a change, without digests."""
    if isinstance(change, Account):
        return Made("account", change.name, change.what)
    entry = Made(_KINDS[type(change)], str(change.path), change.what)
    match change:
        case Link():
            return replace(entry, target=change.target)
        case Line():
            return replace(entry, mark=change.mark)
        case _:
            return entry


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that installations made on a machine, in the order of making."""

    version: str = ""
    """Sublet's version that installed last; empty: none did."""
    made: tuple[Made, ...] = field(default=())
    options: Mapping[str, str] = field(default_factory=dict)
    """The options of the last installation, which the next one begins with."""

    def entry(self, kind: str, path: str) -> Made | None:
        """Return the entry of a thing, or ``None`` where it is not an installation's."""
        return next((m for m in self.made if (m.kind, m.path) == (kind, path)), None)

    def having(self, entry: Made) -> "Manifest":
        """Return the manifest with an entry, in place of an earlier one of the same thing."""
        if self.entry(entry.kind, entry.path) is None:
            return replace(self, made=(*self.made, entry))
        return replace(self, made=tuple(entry if _same(m, entry) else m for m in self.made))

    def lacking(self, entry: Made) -> "Manifest":
        """Return the manifest without an entry."""
        return replace(self, made=tuple(m for m in self.made if not _same(m, entry)))

    def to_json(self) -> bytes:
        """Return the manifest as it is kept."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


def manifest_of(content: bytes, where: str) -> Manifest:
    """Return the manifest that was kept. ``ConfigurationError`` where it is none."""
    try:
        fields = json.loads(content)
        return Manifest(
            version=str(fields["version"]),
            made=tuple(_made_of(entry) for entry in fields["made"]),
            options={str(name): str(value) for name, value in fields.get("options", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{where} says what was installed, and cannot be read: {error!r}"
        raise ConfigurationError(message) from error


def _made_of(entry: Mapping[str, Any]) -> Made:
    return Made(**{**entry, "digests": tuple(entry["digests"])})


def _same(one: Made, other: Made) -> bool:
    return (one.kind, one.path) == (other.kind, other.path)
