"""Dynamic resource allocation: a ResourceClaim for a card, or for a part of its memory."""

from dataclasses import dataclass
from typing import Any

from sublet_quota.wire.api import Lease

from sublet_spawner.backends.records import (
    BY_PROGRAMS,
    Backend,
    DeviceClaim,
    Guarantees,
    PlacedBy,
    PodFields,
)

CLAIM = "gpu"


@dataclass(frozen=True, slots=True)
class DraSettings:
    """The device class, and whether cards are shared by their memory."""

    device_class: str = "gpu.nvidia.com"
    share_memory: bool = True
    """Whether the slice's memory is asked for out of a card that several claims may share:
    Kubernetes 1.36, or 1.34 with the feature gate DRAConsumableCapacity, and a driver that offers
    it. False: a whole card each.
    """
    selector: str = ""
    """A CEL expression that the device must fulfil."""


def _guarantees(settings: DraSettings) -> Guarantees:
    shared = settings.share_memory
    return Guarantees(
        memory=(
            "the cluster counts your share and does not enforce it; "
            if shared
            else "no other server is on your card; "
        )
        + "PyTorch, JAX and TensorFlow are told your share when they start, and the node's agent "
        "watches all of your processes together",
        compute=(
            "cards take turns; while one is full, the node's agent sees to each one's share"
            if shared
            else "no other server is on your card"
        ),
        placed_by=PlacedBy.CLUSTER,
        cap_kept_by=BY_PROGRAMS,
        not_lendable="suspending servers whose cards come by resource claims has not been seen to "
        "work",
    )


def _write(lease: Lease, settings: DraSettings) -> PodFields:
    wanted: dict[str, Any] = {
        "deviceClassName": settings.device_class,
        "allocationMode": "ExactCount",
        "count": 1,
    }
    if settings.share_memory:
        wanted["capacity"] = {"requests": {"memory": f"{lease.memory_mib}Mi"}}
    if settings.selector:
        wanted["selectors"] = [{"cel": {"expression": settings.selector}}]
    spec = {"devices": {"requests": [{"name": CLAIM, "exactly": wanted}]}}
    return PodFields(claims=(DeviceClaim(CLAIM, spec),))


DRA = Backend("dra", DraSettings, _guarantees, _write)
