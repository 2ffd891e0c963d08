"""The KAI scheduler: shares of cards by annotation, enforced only where it has NvFractions."""

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from enum import StrEnum

from sublet_quota.refusal import Refusal, RefusalReason
from sublet_quota.wire.api import Lease

from sublet_spawner.backends.records import (
    CONTAINER,
    Backend,
    Guarantees,
    KeptBy,
    PlacedBy,
    PodFields,
)


class KaiRequest(StrEnum):
    """In which unit KAI is asked."""

    MEMORY = "memory"
    """MiB: means the same on every type of card."""
    FRACTION = "fraction"
    """Part of a card of the type that the slice was given."""
    NV_FRACTIONS = "nv-fractions"
    """MiB, kept by the driver: driver 615 and KAI 0.17 with its sharing operator."""


@dataclass(frozen=True, slots=True)
class KaiSettings:
    """The queue that notebooks are charged to, and how shares are asked for."""

    queue: str = "default-queue"
    request: KaiRequest = KaiRequest.MEMORY
    scheduler_name: str = "kai-scheduler"
    preemptibility: str = "non-preemptible"
    """KAI takes the pods of its usual priority away from whoever is over quota: not notebooks.
    Empty: as the pod's priority class says."""


def _guarantees(settings: KaiSettings) -> Guarantees:
    if settings.request is KaiRequest.NV_FRACTIONS:
        return Guarantees(
            memory_cap=KeptBy.ENGINE,
            memory="the driver keeps your server to its share of the card's memory",
            compute_cap=KeptBy.NOBODY,
            compute="shared with the card's other servers, whoever asks first",
            placed_by=PlacedBy.CLUSTER,
            not_lendable="NvFractions connects programs to MPS, where the driver cannot suspend",
            sees_whole_card=False,
        )
    return Guarantees(
        memory_cap=KeptBy.SUBLET,
        memory="KAI counts your share and does not enforce it; PyTorch, JAX and TensorFlow are "
        "told it when they start, and the node's agent watches all of your processes together",
        compute_cap=KeptBy.SUBLET,
        compute="cards take turns; while one is full, the node's agent sees to each one's share",
        placed_by=PlacedBy.CLUSTER,
        not_lendable="lending beside KAI, which reserves cards by pods of its own, has not been "
        "seen to work",
    )


def _write(lease: Lease, settings: KaiSettings) -> PodFields | Refusal:
    annotations = _share(lease, settings.request)
    if isinstance(annotations, Refusal):
        return annotations
    labels = {"kai.scheduler/queue": settings.queue}
    if settings.preemptibility:
        labels["kai.scheduler/preemptibility"] = settings.preemptibility
    return PodFields(labels=labels, annotations=annotations, scheduler_name=settings.scheduler_name)


def _share(lease: Lease, request: KaiRequest) -> dict[str, str] | Refusal:
    match request:
        case KaiRequest.MEMORY:
            return {"gpu-memory": str(lease.memory_mib)}
        case KaiRequest.NV_FRACTIONS:
            amount = f"{lease.memory_mib}Mi"
            prefix = f"nvidia.com/container.{CONTAINER}.gpu-memory"
            return {f"{prefix}.request": amount, f"{prefix}.limit": amount}
        case KaiRequest.FRACTION:
            return _fraction(lease)


def _fraction(lease: Lease) -> dict[str, str] | Refusal:
    if lease.gpu_memory_mib <= 0:
        return Refusal(
            RefusalReason.NO_GPU,
            f"The memory of GPU {lease.gpu_index} on {lease.node} is not known, so no fraction of "
            "it can be asked for: have an admin set request to 'memory'",
        )
    part = Decimal(lease.memory_mib) / lease.gpu_memory_mib
    return {"gpu-fraction": str(min(Decimal(1), part.quantize(Decimal("0.01"), ROUND_UP)))}


KAI = Backend("kai", KaiSettings, _guarantees, _write)
