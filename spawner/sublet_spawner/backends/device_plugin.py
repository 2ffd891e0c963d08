"""NVIDIA's device plugin: whole cards, replicas of cards taking turns (time slicing), and MPS.

The plugin counts cards or replicas and knows nothing of memory. A slice asks for one of them.
"""

from dataclasses import dataclass

from sublet_quota.reasons.cap_keepers import CapKeeper
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.wire.api import Lease

from sublet_spawner.backends.records import (
    BY_PROGRAMS,
    Backend,
    Guarantees,
    PlacedBy,
    PodFields,
    percent,
)

_COOPERATIVE_MEMORY = (
    "PyTorch, JAX and TensorFlow are told your share when they start, and the node's agent watches "
    "all of your processes together; nothing stops a program that ignores both at once"
)
_SHARED_COMPUTE = "cards take turns; while one is full, the node's agent sees to each one's share"
_DRIVER_MEMORY = "the driver keeps your server to its share of the card's memory"
_LIMITED_BY_DRIVER = "suspending a server that the driver limits has not been seen to work yet"


@dataclass(frozen=True, slots=True)
class TimeSlicingSettings:
    """Replicas of cards, as ``sharing.timeSlicing`` of the plugin's configuration makes them."""

    resource: str = "nvidia.com/gpu"
    """The name of the resource; ``nvidia.com/gpu.shared`` where the plugin renames shared cards."""
    driver_memory_limit: bool = False
    """Whether the driver keeps the memory cap: driver 615, a container toolkit that knows of it,
    and cgroup v2.
    """


@dataclass(frozen=True, slots=True)
class WholeGpuSettings:
    """Whole cards, one for each slice whatever its size."""

    resource: str = "nvidia.com/gpu"
    driver_memory_limit: bool = False


@dataclass(frozen=True, slots=True)
class MpsSettings:
    """Replicas of cards under an MPS server, as ``sharing.mps`` makes them."""

    resource: str = "nvidia.com/gpu"


def _time_slicing_guarantees(settings: TimeSlicingSettings) -> Guarantees:
    hard = settings.driver_memory_limit
    return Guarantees(
        memory=_DRIVER_MEMORY if hard else _COOPERATIVE_MEMORY,
        compute=_SHARED_COMPUTE,
        placed_by=PlacedBy.SUBLET,
        cap_kept_by=(CapKeeper.DRIVER,) if hard else BY_PROGRAMS,
        not_lendable=_LIMITED_BY_DRIVER if hard else None,
        sees_whole_card=not hard,
    )


def _write_time_slicing(lease: Lease, settings: TimeSlicingSettings) -> PodFields:
    return PodFields(
        limits={settings.resource: "1"},
        node=lease.node,
        environment=_driver_limit(lease) if settings.driver_memory_limit else {},
    )


def _whole_gpu_guarantees(settings: WholeGpuSettings) -> Guarantees:
    hard = settings.driver_memory_limit
    return Guarantees(
        memory=_DRIVER_MEMORY
        if hard
        else f"no other server is on your card; {_COOPERATIVE_MEMORY}",
        compute="no other server is on your card",
        placed_by=PlacedBy.CLUSTER,
        cap_kept_by=(CapKeeper.DRIVER,) if hard else BY_PROGRAMS,
        not_lendable=_LIMITED_BY_DRIVER if hard else None,
        sees_whole_card=not hard,
    )


def _write_whole_gpu(lease: Lease, settings: WholeGpuSettings) -> PodFields:
    return PodFields(
        limits={settings.resource: "1"},
        environment=_driver_limit(lease) if settings.driver_memory_limit else {},
    )


def _mps_guarantees(settings: MpsSettings) -> Guarantees:
    del settings
    return Guarantees(
        memory="the MPS server keeps each of your processes to your share",
        compute="the MPS server gives each of your processes no more than your share",
        placed_by=PlacedBy.CLUSTER,
        cap_kept_by=(CapKeeper.MPS,),
        compute_kept_by=ShareKept.BY_MPS,
        not_lendable="the driver can neither pause nor suspend programs under MPS",
        sees_whole_card=False,
    )


def _write_mps(lease: Lease, settings: MpsSettings) -> PodFields:
    return PodFields(
        limits={settings.resource: "1"},
        environment={
            # Of what the server lets each client have, a client may only ask for less.
            "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": f"0={lease.memory_mib}M",
            "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(percent(lease.compute_milli)),
        },
    )


def _driver_limit(lease: Lease) -> dict[str, str]:
    """Return the variables of the memory cap: the container toolkit acts where it finds both."""
    amount = str(lease.memory_mib)
    return {"NVIDIA_GPU_MEMORY_REQUESTS": amount, "NVIDIA_GPU_MEMORY_LIMITS": amount}


TIME_SLICING = Backend(
    "time-slicing", TimeSlicingSettings, _time_slicing_guarantees, _write_time_slicing
)
WHOLE_GPUS = Backend("none", WholeGpuSettings, _whole_gpu_guarantees, _write_whole_gpu)
MPS = Backend("mps", MpsSettings, _mps_guarantees, _write_mps)
