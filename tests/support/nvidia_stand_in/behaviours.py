"""What the stand-in can be told to do: one record of switches, and rules for single symbols.

README.md beside this file says of each whether it was measured, is documented, or is assumed.
"""

from collections import deque
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum
from typing import Any


class ComputeMode(IntEnum):
    """NVML's compute modes of a card."""

    DEFAULT = 0
    PROHIBITED = 2
    EXCLUSIVE_PROCESS = 3


class Meanwhile(StrEnum):
    """What get-state answers while an operation on the process is under way."""

    WAITS = "waits"
    """It waits for the operation's end."""
    TELLS_BEFORE = "before"
    """The state before the operation, at once."""
    TELLS_MOVING = "moving"
    """States 4 and 5 of newer drivers: checkpointing and restoring."""
    TELLS_NEWER = "newer"
    """A state that NVIDIA's packages here do not know, as 4 and 5 are to older ones."""


class CallerDies(StrEnum):
    """What becomes of an operation whose caller is killed."""

    GOES_ON = "goes-on"
    LEFT_HALF_WAY = "left-half-way"
    """It stops where it is: the process's calls wait, and no other operation is taken."""


@dataclass
class CardSwitches:
    """The switches of one card."""

    compute_mode: ComputeMode = ComputeMode.DEFAULT
    persistence: bool = True
    mig: bool = False
    memory_unknown: bool = False
    """NVML does not know what single processes hold."""
    utilisation_grows: bool = False
    """The list of utilisation samples has grown whenever it is fetched."""


@dataclass
class Rule:
    """What one symbol answers instead: a code, or nothing until it is let go."""

    symbol: str
    code: int | None
    subject: int | None = None
    """The first argument that it goes for: a process's id for the checkpoint API, a card's handle
    for NVML."""
    times: int | None = None


@dataclass
class Behaviours:
    """All switches."""

    driver_version: str = "580.159.04"
    cuda_version: int = 13000
    hidden: tuple[str, ...] = ()
    """Symbols that this driver does not have, as ``cuGetProcAddress`` names them."""
    meanwhile: Meanwhile = Meanwhile.WAITS
    caller_dies: CallerDies = CallerDies.GOES_ON
    cards: list[CardSwitches] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=50_000))
    """The calls that came, oldest first."""

    def rule_for(self, symbol: str, subject: int) -> Rule | None:
        """Return what was said about a call that comes now, and count it."""
        for rule in self.rules:
            if rule.symbol == symbol and rule.subject in {None, subject}:
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times <= 0:
                        self.rules.remove(rule)
                return rule
        return None

    def add_rule(self, **rule: Any) -> None:
        """Say what a symbol answers from now on; the newest word about it counts."""
        self.rules.insert(0, Rule(**rule))

    def reset(self) -> None:
        """Be as at the start; the calls that came stay."""
        fresh = Behaviours(cards=[CardSwitches() for _ in self.cards], calls=self.calls)
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))

    def switch(self, **wanted: Any) -> None:
        """Change switches of the driver as a whole."""
        _assign(self, wanted)

    def switch_card(self, index: int, **wanted: Any) -> None:
        """Change switches of one card."""
        _assign(self.cards[index], wanted)


def _assign(record: Any, wanted: dict[str, Any]) -> None:
    known = {each.name: type(getattr(record, each.name)) for each in fields(record)}
    for name, value in wanted.items():
        setattr(record, name, known[name](value))
