"""What keeps a slice to its memory cap: codes, and the one table of their words.

Spawners say which hold under the engine that they write a slice for; where none says, the card
tells. What an engine keeps is said as the engine's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class CapKeeper(StrEnum):
    """Something that keeps a slice's memory within its cap, or sees that it is not."""

    FRAMEWORK = "framework"
    WATCH = "watch"
    DRIVER = "driver"
    MIG = "mig"
    MPS = "mps"
    HAMI = "hami"
    VOLCANO = "volcano"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class _Words:
    """A keeper in a word or two, and explained in a clause."""

    word: str
    meaning: str


_WORDS: Final[Mapping[CapKeeper, _Words]] = MappingProxyType(
    {
        CapKeeper.FRAMEWORK: _Words("PyTorch and JAX", "PyTorch and JAX, each program by itself"),
        CapKeeper.WATCH: _Words(
            "the watch",
            "the watch of the node's agent: who is over is warned and makes way first",
        ),
        CapKeeper.DRIVER: _Words("the driver", "the driver, all programs together"),
        CapKeeper.MIG: _Words("the card (MIG)", "the card itself (MIG), all programs together"),
        CapKeeper.MPS: _Words("MPS", "the MPS server, each program by itself"),
        CapKeeper.HAMI: _Words("HAMi", "HAMi's library in the programs"),
        CapKeeper.VOLCANO: _Words("Volcano's vGPU", "Volcano's vGPU library in the programs"),
        CapKeeper.SIMULATED: _Words(
            "the simulated card", "the simulated card's client, each program by itself"
        ),
    }
)


def cap_keepers_of(told: Iterable[str], *, simulated: bool) -> tuple[CapKeeper, ...]:
    """Return what keeps a slice's cap. ``told``: codes, as its spawner has told them, if it has.

    No engine keeps anything of a simulated card. Codes that are not known here are left out.
    """
    known = tuple(CapKeeper(code) for code in told if code in set(CapKeeper))
    if known and not simulated:
        return known
    return (CapKeeper.SIMULATED if simulated else CapKeeper.FRAMEWORK, CapKeeper.WATCH)


def cap_keepers_words(keepers: Iterable[CapKeeper]) -> str:
    """Return what keeps a cap in few words, to be read after "kept by"."""
    return ", ".join(_WORDS[each].word for each in keepers)


def cap_keepers_meaning(keepers: Iterable[CapKeeper]) -> str:
    """Return what keeps a cap, explained, to be read after "kept by"."""
    return "; ".join(_WORDS[each].meaning for each in keepers)
