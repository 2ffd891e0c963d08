"""The records of slice backends: from a slice to the fields of a pod, and what that guarantees.

A backend writes the request in the words of an engine that people already run; it schedules
nothing. What the engine does with it, and what it does not, is a record too: a slice is never
silently without its guarantees.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sublet_quota.reasons.cap_keepers import CapKeeper
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.wire.api import Lease

Settings = TypeVar("Settings")


class PlacedBy(StrEnum):
    """The part that chooses the node that a slice's pod runs on."""

    SUBLET = "sublet"
    """The service, from what agents report: the pod may run on that node alone."""
    CLUSTER = "cluster"
    """The cluster's scheduler; the ledger takes over what it chose."""


@dataclass(frozen=True, slots=True)
class KeptBy:
    """What keeps a slice's memory cap and compute share, where that is not its card's to tell."""

    cap: tuple[str, ...] = ()
    """Values of ``CapKeeper``; ``DRIVER_IF_ABLE`` beside them."""
    compute: ShareKept | None = None
    """The engine that keeps the share; ``None``: none does, and the node's agent sees to it."""


@dataclass(frozen=True, slots=True)
class Guarantees:
    """The things that a slice under a backend is sure of, each with a sentence for its owner."""

    memory: str
    compute: str
    placed_by: PlacedBy
    cap_kept_by: tuple[CapKeeper, ...]
    """What keeps the memory cap, as panel, widget, command line and API say it."""
    compute_kept_by: ShareKept | None = None
    """By which engine the compute share is kept; ``None``: by none, and the node's agent sees to
    it.
    """
    not_lendable: str | None = None
    """Why processes of such slices are never moved off the card, so that nothing can be lent while
    they are idle; ``None`` where they are lent.
    """
    sees_whole_card: bool = True
    """Whether programs see the card's whole memory, which fractions for frameworks refer to."""

    @property
    def kept_by(self) -> KeptBy:
        """What keeps the memory cap and the compute share, as the service is told."""
        return KeptBy(self.cap_kept_by, self.compute_kept_by)

    @property
    def lendable(self) -> bool:
        """Whether an idle slice's room can be lent."""
        return self.not_lendable is None

    def sentences(self) -> tuple[str, ...]:
        """Return what the slice is sure of, in sentences for its owner."""
        lent = (
            "While it is idle its room is lent, and given back when you run a cell."
            if self.not_lendable is None
            else f"It is not lent while it is idle: {self.not_lendable}."
        )
        return (f"Memory: {self.memory}.", f"Compute: {self.compute}.", lent)


@dataclass(frozen=True, slots=True)
class DeviceClaim:
    """A ResourceClaim to be made with the pod, and to go with it."""

    name: str
    """The claim's name within the pod."""
    spec: Mapping[str, Any]
    """``spec`` of the ResourceClaim, as the API of ``resource.k8s.io/v1`` writes it."""


@dataclass(frozen=True, slots=True)
class PodFields:
    """The fields that a slice adds to the pod of its server."""

    limits: Mapping[str, str] = field(default_factory=dict)
    """The limits of the server's container. Requests of extended resources are the same, and left
    out.
    """
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    scheduler_name: str | None = None
    node: str | None = None
    """The name of the only node that the pod may run on."""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    """The labels that the pod's node must have."""
    environment: Mapping[str, str] = field(default_factory=dict)
    claims: tuple[DeviceClaim, ...] = ()
    guarantees: Guarantees | None = None
    """What this slice is sure of, where that is otherwise than the backend's are."""

    @property
    def cap_kept_by(self) -> tuple[CapKeeper, ...] | None:
        """What keeps this slice's memory cap; ``None``: what the backend says of all."""
        return None if self.guarantees is None else self.guarantees.cap_kept_by


@dataclass(frozen=True, slots=True)
class Backend(Generic[Settings]):
    """A way of asking a cluster for a slice."""

    name: str
    settings_type: type[Settings]
    guarantees: Callable[[Settings], Guarantees]
    write: Callable[[Lease, Settings], PodFields | Refusal]
    """The function from a slice to the fields of its pod; refuses what the engine's units cannot
    express.
    """


BY_PROGRAMS = (CapKeeper.FRAMEWORK, CapKeeper.WATCH)
"""What keeps a memory cap that no engine enforces."""

CONTAINER = "notebook"
"""KubeSpawner's name for the server's container."""


def percent(compute_milli: int) -> int:
    """Return milli-GPU in whole percent of a card, never less than was asked for."""
    return max(1, min(100, -(-compute_milli // 10)))
