"""Names in an export: persons by others, always the same ones on this hub; groups where wanted.

The other name is a keyed hash of the name; the key is drawn once a hub, and kept in its ledger. So
two exports go together, and who has neither ledger nor names learns none.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

_KEY_BYTES: Final = 16
_LETTERS: Final = 12
_LETTERS_OF_IDS: Final = 20
"""Of so many that no two are ever called the same."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """How names are written."""

    drawn: int
    """The number that was drawn for this hub."""
    names: bool = False
    """Whether persons are called by their names."""
    hide_groups: bool = False

    def person(self, name: str) -> str:
        """Return what a person is called."""
        return name if self.names else f"person-{self._other('person', name)}"

    def group(self, name: str) -> str:
        """Return what a group of the hub, or of the quota document, is called."""
        return f"group-{self._other('group', name)}" if self.hide_groups else name

    def groups(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return what groups are called."""
        return tuple(map(self.group, names))

    def thing(self, kind: str, number: str) -> str:
        """Return what a slice, a job or a wish is called, of which there are very many.

        By its own id somebody could be found who is known to have had it.
        """
        told = number if self.names else self._other(kind, number, _LETTERS_OF_IDS)
        return f"{kind[0]}-{told}"

    def _other(self, kind: str, name: str, letters: int = _LETTERS) -> str:
        key = self.drawn.to_bytes(_KEY_BYTES, "big")
        told = f"{kind}\0{name}".encode("utf-8", "surrogatepass")
        return hmac.new(key, told, hashlib.sha256).hexdigest()[:letters]
