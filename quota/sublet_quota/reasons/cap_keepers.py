"""What keeps a slice to its memory cap: codes, and the one table of their words.

Spawners say which hold under the engine that they write a slice for; its server's page shows them.
"""

from collections.abc import Mapping
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


_WORDS: Final[Mapping[CapKeeper, str]] = MappingProxyType(
    {
        CapKeeper.FRAMEWORK: "PyTorch and JAX, each program by itself",
        CapKeeper.WATCH: "the watch of the node's agent: who is over is warned and makes way first",
        CapKeeper.DRIVER: "the driver",
        CapKeeper.MIG: "the card itself (MIG)",
        CapKeeper.MPS: "the MPS server, each program by itself",
        CapKeeper.HAMI: "HAMi's library in the programs",
        CapKeeper.VOLCANO: "Volcano's vGPU library in the programs",
        CapKeeper.SIMULATED: "the simulated card's client, each program by itself",
    }
)


def cap_keepers_words(told: str) -> str:
    """Return what keeps a cap, in words; ``told``: codes with commas between them.

    What is not known here is left out; empty where nothing is.
    """
    known = [CapKeeper(code) for code in told.split(",") if code in set(CapKeeper)]
    return "; ".join(_WORDS[each] for each in known)


def cap_keepers_told(keepers: tuple[CapKeeper, ...]) -> str:
    """Return the codes as a server's variable has them."""
    return ",".join(keepers)
