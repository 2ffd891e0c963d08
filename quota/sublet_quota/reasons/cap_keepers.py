"""What keeps a slice to its memory cap: codes, and the one table of their words.

Spawners say which hold under the engine that they write a slice for; where none says, the card
tells. What an engine keeps is said as the engine's. Where a spawner on one machine asks for the
driver's own limit, the node's agent says whether that is set, or why it is not.
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


DRIVER_IF_ABLE: Final = "driver-if-able"
"""What a spawner tells beside a keeper where the agent is to have the driver keep the cap. It is no
keeper itself: that the driver keeps it, only the agent says.
"""
BY_DRIVER_IF_ABLE: Final = (CapKeeper.WATCH, DRIVER_IF_ABLE)
"""What a spawner tells then: where the driver cannot, the watch alone is left."""


def is_asked_of_driver(kept_by: Iterable[str] | None) -> bool:
    """Whether the agent is to have the driver keep a cap, by what was told of it."""
    return DRIVER_IF_ABLE in (kept_by or ())


class DriverLimit(StrEnum):
    """How it stands with the limit that the driver was asked to set for a slice's control group."""

    KEPT = "kept"
    OLD_DRIVER = "old-driver"
    OLD_GROUPS = "old-groups"
    """The slice's group is not one of version 2 where the driver looks for it."""
    NO_GROUP = "no-group"
    NOT_ALONE = "not-alone"
    """Others than root and the agent could move processes out of the slice's group."""
    LIMITED_ABOVE = "limited-above"
    """A group above has a limit, which one of the slice's own could do away with."""
    MPS = "mps"
    """A server of MPS ends programs that have more than they are guaranteed: here that is 0."""
    OVER_CAP = "over-cap"
    REFUSED = "refused"
    MOVING = "moving"
    """The limit is lifted while memory of the slice is in host memory, or moves."""


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


_NOT_BY_DRIVER: Final[Mapping[DriverLimit, str]] = MappingProxyType(
    {
        DriverLimit.OLD_DRIVER: "it has no such limit (NVIDIA's has from 615 on)",
        DriverLimit.OLD_GROUPS: "control groups of version 2 are not at /sys/fs/cgroup, or the "
        "slice's lacks the controller",
        DriverLimit.NO_GROUP: "the slice has no control group of its own",
        DriverLimit.NOT_ALONE: "others could move programs out of the slice's control group",
        DriverLimit.LIMITED_ABOVE: "a control group above the slice's has a limit already",
        DriverLimit.MPS: "MPS runs here, and ends programs at such a limit",
        DriverLimit.OVER_CAP: "the slice has more than its cap",
        DriverLimit.REFUSED: "it did not take the limit",
        DriverLimit.MOVING: "its limit is lifted while memory is in host memory, or moves",
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


def cap_keepers_with(limit: DriverLimit, *, simulated: bool) -> tuple[CapKeeper, ...]:
    """Return what keeps the cap of a slice for which the driver's limit was asked.

    The watch goes on beside the driver: managed memory, say, does not count for its limit.
    Frameworks keep nothing there, as they are not told a share of the card.
    """
    if limit is DriverLimit.KEPT:
        return (CapKeeper.DRIVER, CapKeeper.WATCH)
    return (CapKeeper.SIMULATED, CapKeeper.WATCH) if simulated else (CapKeeper.WATCH,)


def driver_limit_meaning(limit: DriverLimit) -> str:
    """Return why the driver does not keep a cap, to be read after its keepers; empty: it does."""
    why = _NOT_BY_DRIVER.get(limit)
    return "" if why is None else f"not the driver, because {why}"


def cap_keepers_words(keepers: Iterable[CapKeeper]) -> str:
    """Return what keeps a cap in few words, to be read after "kept by"."""
    return ", ".join(_WORDS[each].word for each in keepers)


def cap_keepers_meaning(keepers: Iterable[CapKeeper]) -> str:
    """Return what keeps a cap, explained, to be read after "kept by"."""
    return "; ".join(_WORDS[each].meaning for each in keepers)
