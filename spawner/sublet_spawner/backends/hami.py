"""HAMi: a share of a card's memory and compute, kept by a library that it loads into programs."""

from dataclasses import dataclass

from sublet_quota.reasons.cap_keepers import CapKeeper
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.wire.api import Lease

from sublet_spawner.backends.records import (
    Backend,
    Guarantees,
    PlacedBy,
    PodFields,
    percent,
)


@dataclass(frozen=True, slots=True)
class HamiSettings:
    """HAMi's resource names, as its own configuration has them by default."""

    count_resource: str = "nvidia.com/gpu"
    memory_resource: str = "nvidia.com/gpumem"
    cores_resource: str = "nvidia.com/gpucores"
    priority_resource: str = "nvidia.com/priority"
    priority: int = 0
    """The priority of the slice's programs; 0 before 1."""
    scheduler_name: str = ""
    """The scheduler of the pod; empty: HAMi's webhook names its own."""
    sublet_places: bool = False
    """Whether the pod goes to the node and card that Sublet chose."""


def _guarantees(settings: HamiSettings) -> Guarantees:
    return Guarantees(
        memory="HAMi's library, loaded into your programs, keeps them to your share",
        compute="HAMi's library slows your programs down to your share",
        placed_by=PlacedBy.SUBLET if settings.sublet_places else PlacedBy.CLUSTER,
        cap_kept_by=(CapKeeper.HAMI,),
        compute_kept_by=ShareKept.BY_HAMI,
        not_lendable="suspending programs with HAMi's library in them has not been seen to work",
        sees_whole_card=False,
    )


def _write(lease: Lease, settings: HamiSettings) -> PodFields:
    return PodFields(
        limits={
            settings.count_resource: "1",
            settings.memory_resource: str(lease.memory_mib),
            settings.cores_resource: str(percent(lease.compute_milli)),
            settings.priority_resource: str(settings.priority),
        },
        annotations=({"nvidia.com/use-gpuuuid": lease.gpu_id} if settings.sublet_places else {}),
        scheduler_name=settings.scheduler_name or None,
        node=lease.node if settings.sublet_places else None,
    )


HAMI = Backend("hami", HamiSettings, _guarantees, _write)
