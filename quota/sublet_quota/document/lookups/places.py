"""Where a document says what: the lines of its text, also of what has moved in the one in force."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sublet_quota.document.problems import KeyPath, nearest_line


@dataclass(frozen=True, slots=True)
class Places:
    """The lines of the document as it was written."""

    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    origins: Mapping[KeyPath, KeyPath] = field(default_factory=dict)
    """Where the document as it was written has what is elsewhere now."""

    def origin_of(self, path: KeyPath) -> KeyPath:
        """Return where the document as it was written has what is at a path."""
        for length in range(len(path), 0, -1):
            origin = self.origins.get(path[:length])
            if origin is not None:
                return (*origin, *path[length:])
        return path

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line of a path, or of the nearest one around it; ``None``: it was not read."""
        return nearest_line(self.lines, self.origin_of(path))
