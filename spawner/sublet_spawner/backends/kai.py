"""The KAI scheduler: shares of cards by annotation; its sharing mode says who keeps them."""

from dataclasses import dataclass, replace
from decimal import ROUND_UP, Decimal
from enum import StrEnum
from typing import Final

from sublet_quota.reasons.cap_keepers import CapKeeper
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.servers import ServerRefusal
from sublet_quota.wire.api import Lease

from sublet_spawner.backends.records import (
    BY_PROGRAMS,
    CONTAINER,
    Backend,
    Guarantees,
    PlacedBy,
    PodFields,
)


class SharingMode(StrEnum):
    """KAI's own ``global.gpuSharingMode``, in its own words."""

    NON_MEMORY_ENFORCED = "NonMemoryEnforced"
    HAMI_CORE = "HamiCore"
    NV_FRACTIONS = "NvFractions"
    """Kept by the driver: driver 615, and KAI 0.17 with its sharing operator."""


class Unit(StrEnum):
    """The unit in which KAI is asked."""

    MEMORY = "memory"
    """MiB: means the same on every type of card."""
    FRACTION = "fraction"
    """Part of a card of the type that the slice was given."""


_NEVER_SUSPENDED_UNDER_NV_FRACTIONS: Final = (
    "suspending a server under NvFractions, which may connect it to MPS, has not been seen to work"
)


@dataclass(frozen=True, slots=True)
class KaiSettings:
    """The queue that notebooks are charged to, and how shares are asked for and kept."""

    queue: str = "default-queue"
    sharing_mode: SharingMode = SharingMode.NON_MEMORY_ENFORCED
    unit: Unit = Unit.MEMORY
    whole_resource: str = "nvidia.com/gpu"
    """The resource that is asked for where a slice comes to a whole card, which KAI takes no
    fraction for.
    """
    scheduler_name: str = "kai-scheduler"
    preemptibility: str = "non-preemptible"
    """KAI takes cards away from the pods of its usual priority whose queue is over its quota: not
    from notebooks. Empty: as the pod's priority class says."""


def _guarantees(settings: KaiSettings) -> Guarantees:
    match settings.sharing_mode:
        case SharingMode.NV_FRACTIONS if settings.unit is Unit.FRACTION:
            return _of_a_request_alone()
        case SharingMode.NV_FRACTIONS:
            return Guarantees(
                memory="the driver keeps your server to its share of the card's memory",
                compute="shared with the card's other servers, whoever asks first",
                placed_by=PlacedBy.CLUSTER,
                cap_kept_by=(CapKeeper.DRIVER,),
                not_lendable=_NEVER_SUSPENDED_UNDER_NV_FRACTIONS,
                sees_whole_card=False,
            )
        case SharingMode.HAMI_CORE:
            return Guarantees(
                memory="HAMi's library, loaded into your programs, keeps them to your share",
                compute="shared with the card's other servers, whoever asks first",
                placed_by=PlacedBy.CLUSTER,
                cap_kept_by=(CapKeeper.HAMI,),
                not_lendable="suspending programs with HAMi's library in them has not been seen to "
                "work",
                sees_whole_card=False,
            )
        case SharingMode.NON_MEMORY_ENFORCED:
            return Guarantees(
                memory="KAI counts your share and does not enforce it; PyTorch, JAX and TensorFlow "
                "are told it when they start, and the node's agent watches all of your processes "
                "together",
                compute="cards take turns; while one is full, the node's agent sees to each one's "
                "share",
                placed_by=PlacedBy.CLUSTER,
                cap_kept_by=BY_PROGRAMS,
                not_lendable="lending beside KAI, which reserves cards by pods of its own, has not "
                "been seen to work",
            )


def _of_a_request_alone() -> Guarantees:
    """Return what is true under NvFractions where a part of a card is asked for.

    KAI takes no limit beside it, and asks its operator for that part alone. What the driver makes
    of that goes by the operator: the first ones let such a server have all of the card. Those after
    them keep it to what was asked for, which a program then takes for the card: it is told no share
    of that.
    """
    return Guarantees(
        memory="the node's agent watches all of your processes together; the driver keeps them to "
        "your share, in hundredths of the card, where KAI's operator limits who only requests",
        compute="shared with the card's other servers, whoever asks first",
        placed_by=PlacedBy.CLUSTER,
        cap_kept_by=(CapKeeper.WATCH,),
        not_lendable=_NEVER_SUSPENDED_UNDER_NV_FRACTIONS,
        sees_whole_card=False,
    )


def _of_a_whole_card(settings: KaiSettings) -> Guarantees:
    """Return what is true where KAI shares nothing, and has nobody keep anything."""
    return replace(
        _guarantees(settings),
        memory="your server has the card to itself; PyTorch, JAX and TensorFlow are told your "
        "share when they start, and the node's agent watches all of your processes together",
        compute="your server has the card to itself",
        cap_kept_by=BY_PROGRAMS,
        sees_whole_card=True,
    )


def _write(lease: Lease, settings: KaiSettings) -> PodFields | Refusal:
    labels = {"kai.scheduler/queue": settings.queue}
    if settings.preemptibility:
        labels["kai.scheduler/preemptibility"] = settings.preemptibility
    share: dict[str, str]
    if settings.unit is Unit.FRACTION:
        fraction = _fraction(lease)
        if isinstance(fraction, Refusal):
            return fraction
        if fraction >= 1:
            return PodFields(
                limits={settings.whole_resource: "1"},
                labels=labels,
                scheduler_name=settings.scheduler_name,
                guarantees=_of_a_whole_card(settings),
            )
        share = {"gpu-fraction": str(fraction)}
    elif settings.sharing_mode is SharingMode.NV_FRACTIONS:
        prefix = f"nvidia.com/container.{CONTAINER}.gpu-memory"
        amount = f"{lease.memory_mib}Mi"
        share = {f"{prefix}.request": amount, f"{prefix}.limit": amount}
    else:
        share = {"gpu-memory": str(lease.memory_mib)}
    return PodFields(labels=labels, annotations=share, scheduler_name=settings.scheduler_name)


def _fraction(lease: Lease) -> Decimal | Refusal:
    """Return the slice in hundredths of a card, never less than was granted, or the refusal."""
    if lease.gpu_memory_mib <= 0:
        return refuse(ServerRefusal.GPU_MEMORY_UNKNOWN, gpu=lease.gpu_index, node=lease.node)
    part = Decimal(lease.memory_mib) / lease.gpu_memory_mib
    return part.quantize(Decimal("0.01"), ROUND_UP)


KAI = Backend("kai", KaiSettings, _guarantees, _write)
