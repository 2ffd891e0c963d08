"""The grant to a container for its units: the card, and the caps of frameworks."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sublet_quota.names.ids import GpuId
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.api import Lease
from sublet_quota.wire.environment import SliceEndpoints, slice_environment

from sublet_agent.device_plugin.settings import DevicePluginSettings

_NOT_KNOWN: Final = "lent"
"""The stand-in where a lease names slice, owner or pool: the kubelet does not say them, and no
variable that is taken over tells of them.
"""
_CAPS: Final = (
    "SUBLET_GPU_ID",
    "CUDA_DEVICE_ORDER",
    "PYTORCH_ALLOC_CONF",
    "XLA_CLIENT_MEM_FRACTION",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
    "TF_FORCE_GPU_ALLOW_GROWTH",
)


@dataclass(frozen=True, slots=True)
class Grant:
    """The variables and CDI devices that the kubelet is told to put into a container."""

    variables: dict[str, str]
    cdi_devices: tuple[str, ...] = ()


def grant(
    gpu_id: GpuId,
    units: int,
    gpu_memory_mib: int,
    settings: DevicePluginSettings,
    *,
    simulated: bool,
) -> Grant:
    """Return how a container gets its card: by CDI name, or by NVIDIA's container runtime.

    Only here is the card known, and with it what part of its memory the container may fill; what
    the pod itself sets comes after these variables, and wins.
    """
    lease = Lease(
        slice_id=_NOT_KNOWN,
        owner=_NOT_KNOWN,
        server="",
        holder=Holder.JOB,
        pool=_NOT_KNOWN,
        node=_NOT_KNOWN,
        gpu_id=gpu_id,
        gpu_index=0,
        gpu_type=_NOT_KNOWN,
        gpu_memory_mib=gpu_memory_mib,
        simulated=simulated,
        memory_mib=units * settings.unit_mib,
        compute_milli=1000,
        created_at=datetime.fromtimestamp(0, UTC),
    )
    full = slice_environment(lease, SliceEndpoints(agent_socket="", service_url=""))
    variables = {name: full[name] for name in _CAPS}
    if simulated:
        return Grant(variables)
    # Inside the container the card is the only one.
    variables["CUDA_VISIBLE_DEVICES"] = gpu_id
    if settings.cdi_kind:
        return Grant(variables, (f"{settings.cdi_kind}={gpu_id}",))
    return Grant({**variables, "NVIDIA_VISIBLE_DEVICES": gpu_id})
