"""Volcano's vGPU: a share of a card's memory and compute, kept by HAMi's library."""

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
class VolcanoSettings:
    """Volcano's resource names, and the queue that notebooks are charged to."""

    number_resource: str = "volcano.sh/vgpu-number"
    memory_resource: str = "volcano.sh/vgpu-memory"
    cores_resource: str = "volcano.sh/vgpu-cores"
    queue: str = ""
    """The queue of the pod; empty: the namespace's own, or ``default``."""
    vgpu_mode: str = "hami-core"
    """The way in which Volcano's device plugin cuts cards for notebooks. Empty: as the plugin is
    configured.
    """
    scheduler_name: str = "volcano"


def _guarantees(settings: VolcanoSettings) -> Guarantees:
    del settings
    return Guarantees(
        memory="Volcano's vGPU library, loaded into your programs, keeps them to your share",
        compute="Volcano's vGPU library slows your programs down to your share",
        placed_by=PlacedBy.CLUSTER,
        cap_kept_by=(CapKeeper.VOLCANO,),
        compute_kept_by=ShareKept.BY_VOLCANO,
        not_lendable="suspending programs with Volcano's vGPU library in them has not been seen to "
        "work",
        sees_whole_card=False,
    )


def _write(lease: Lease, settings: VolcanoSettings) -> PodFields:
    annotations = {
        "scheduling.volcano.sh/queue-name": settings.queue,
        "volcano.sh/vgpu-mode": settings.vgpu_mode,
    }
    return PodFields(
        limits={
            settings.number_resource: "1",
            settings.memory_resource: str(lease.memory_mib),
            settings.cores_resource: str(percent(lease.compute_milli)),
        },
        annotations={name: value for name, value in annotations.items() if value},
        scheduler_name=settings.scheduler_name,
    )


VOLCANO = Backend("volcano", VolcanoSettings, _guarantees, _write)
