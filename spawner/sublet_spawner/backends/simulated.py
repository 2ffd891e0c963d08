"""Simulated cards, for clusters without GPUs: no device plugin knows them, so Sublet alone places.

Taken for every slice on a simulated card, whatever backend is set.
"""

from dataclasses import dataclass

from sublet_quota.reasons.cap_keepers import CapKeeper
from sublet_quota.wire.api import Lease

from sublet_spawner.backends.records import Backend, Guarantees, PlacedBy, PodFields


@dataclass(frozen=True, slots=True)
class SimulatedSettings:
    """The settings of simulated cards: there is nothing to set."""


def _guarantees(settings: SimulatedSettings) -> Guarantees:
    del settings
    return Guarantees(
        memory="the simulated card's client keeps each program to your share",
        compute="the simulated card's programs take turns",
        placed_by=PlacedBy.SUBLET,
        cap_kept_by=(CapKeeper.SIMULATED, CapKeeper.WATCH),
    )


def _write(lease: Lease, settings: SimulatedSettings) -> PodFields:
    del settings
    return PodFields(
        node=lease.node,
        # An image made for CUDA would else be given every card of a node that has real ones.
        environment={"NVIDIA_VISIBLE_DEVICES": "void"},
    )


SIMULATED = Backend("simulated", SimulatedSettings, _guarantees, _write)
