"""The record of a mutant: one rule of THREATS.md switched off at one place, and who must notice."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
RULES: Final = range(1, 21)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of one place in one file, and the tests of which at least one must fail by it."""

    rule: int
    """The rule's number in THREATS.md."""
    what: str
    """What the change makes of the rule, in a few words."""
    file: str
    """The file's path below the repository."""
    text: str
    """The text that is replaced; it is in the file exactly once."""
    by: str
    tests: tuple[str, ...]
    """Tests as pytest names them, without parameters: all of them run, one must fail."""

    def apply(self, source: str) -> str:
        """Return the file's text with the change. ``ValueError`` where its place is not unique."""
        found = source.count(self.text)
        if found != 1:
            message = f"{self.file}: {found} places, not one, have the text {self.text!r}"
            raise ValueError(message)
        return source.replace(self.text, self.by)
