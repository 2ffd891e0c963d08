"""The card that the demo is played on, and the amounts that fit it; or why there is none."""

from dataclasses import dataclass
from typing import Final

from sublet_hub.host.host_memory import host_memory_left_gib
from sublet_hub.one_machine.demo.sizes import (
    Scarce,
    Sizes,
    TooSmall,
    nvidia_sizes,
    simulated_sizes,
)
from sublet_hub.one_machine.find_gpus import FoundGpu, nvidia_gpus, quietest
from sublet_hub.one_machine.pytorch import why_no_pytorch

SIMULATED_GIB: Final = 80.0
_OR_SIMULATED: Final = "DEVICE=simulated plays the story on a simulated GPU"


class CannotPlayError(Exception):
    """The demo cannot be played on what this machine has; the message says what would help."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The card of the demo, and the amounts of its story."""

    card: FoundGpu | None
    """``None``: a simulated one."""
    sizes: Sizes
    words: str


def choose(device: str, speed: float) -> Choice:
    """Return what is played on: ``auto`` is a real card where there is one. ``CannotPlayError``."""
    gpus = nvidia_gpus() if device != "simulated" else ()
    if not gpus and device != "nvidia":
        words = f"SIMULATED, moves {speed:g} x an H100's"
        return Choice(None, simulated_sizes(SIMULATED_GIB, speed), words)
    card = card_among(gpus)
    missing = why_no_pytorch(card.gpu_id)
    if missing is not None:
        message = f"{missing}. {_OR_SIMULATED}"
        raise CannotPlayError(message)
    sizes = sizes_for(card, host_memory_left_gib())
    of = f", the quietest of {len(gpus)}" if len(gpus) > 1 else ""
    minutes = sizes.moves_s / 60
    words = (
        f"real: {card.name} ({card.gpu_id}{of}); all moves take {minutes:.0f} minutes where it is"
        f" as slow as measured, and {sizes.host_gib:.0f} GiB of host memory"
    )
    return Choice(card, sizes, words)


def card_among(gpus: tuple[FoundGpu, ...]) -> FoundGpu:
    """Return the card to play on. ``CannotPlayError`` where none will do."""
    card = quietest(gpus)
    if card is None:
        what = "all are split by MIG" if gpus else "NVML finds none"
        message = f"no NVIDIA GPU: {what}. {_OR_SIMULATED}"
        raise CannotPlayError(message)
    if card.processes:
        message = (
            f"{card.processes} other process(es) use {card.name} {card.gpu_id}"
            f"{', and no other card is free' if len(gpus) > 1 else ''}: nobody is suspended on a"
            f" card that strangers use. End them (nvidia-smi lists them). {_OR_SIMULATED}"
        )
        raise CannotPlayError(message)
    return card


def sizes_for(card: FoundGpu, host_gib: float) -> Sizes:
    """Return the amounts for a card and the host memory left. ``CannotPlayError``: too small."""
    found = nvidia_sizes(card.memory_gib, host_gib)
    if isinstance(found, TooSmall):
        why = (
            "what is suspended lies there"
            if found.scarce is Scarce.HOST
            else "each process's CUDA context alone takes half of one"
        )
        message = (
            f"too little {found.scarce} for the demo on {card.name}: {found.has_gib:.0f} GiB are"
            f" there, and {found.needs_gib:.0f} are needed, since {why}. {_OR_SIMULATED}"
        )
        raise CannotPlayError(message)
    return found
