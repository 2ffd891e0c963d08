"""NVIDIA's own memory limits of control groups, by NVML: driver 615 (CUDA 13.4) and newer.

By NVIDIA's manual of MPS, "MPS v3 Memory Partitioning", and nvidia-ml-py 13.615: the group is
named by its folder below ``/sys/fs/cgroup``, which must be control groups of version 2; setting
needs root; cards that MIG splits have no limits. What is behind them NVML knows: the kernel's
``dmem`` (Linux 6.14), whose files are not to be written by others, or the driver's own count.

The *hard* limit is the cap. The *soft* one is what is guaranteed, stays 0, and so changes nothing
in the groups above: the driver would raise ``dmem.min`` of each. But a server of MPS may end who
has more than is guaranteed while others need room: where MPS runs no limit is set.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.cap_keepers import DriverLimit

from sublet_agent.devices.interface import DeviceError, NoControllerError
from sublet_agent.devices.memory_limits import GroupLimit
from sublet_agent.devices.mps import mps_process
from sublet_agent.devices.nvml import Nvml, NvmlError, text_of

_GROUPS: Final = Path("/sys/fs/cgroup")
"""Where NVML looks for groups, and nowhere else."""
_MIB: Final = 1024 * 1024
_FIRST_DRIVER: Final = 615
_SET: Final = "nvmlDeviceSetMemoryLimits_v1"


class NvidiaMemoryLimits:
    """The limits of the cards that NVML finds."""

    def __init__(
        self,
        nvml: Nvml,
        groups: Path = _GROUPS,
        mps: Callable[[], str | None] = mps_process,
    ) -> None:
        """``groups``: where control groups are mounted; ``mps``: which process of MPS runs."""
        self._nvml: Final = nvml
        self._groups: Final = groups
        self._mps: Final = mps

    def why_not(self, gpu_id: GpuId, group: Path) -> DriverLimit | None:
        """Return why a group can have no limit on a card, as far as is known; or ``None``."""
        del gpu_id
        if not self._has_limits():
            return DriverLimit.OLD_DRIVER
        of_version_2 = (self._groups / "cgroup.controllers").is_file()
        if not of_version_2 or not group.is_relative_to(self._groups):
            return DriverLimit.OLD_GROUPS
        return None if self._mps() is None else DriverLimit.MPS

    def limit(self, gpu_id: GpuId, group: Path) -> GroupLimit | None:
        """Return the limit that holds for a group; ``None``: none does."""
        nvml = self._nvml.module
        asked = nvml.c_nvmlGetMemoryLimits_v1_t(str(group).encode(), 0, 0, 0)
        # As it is documented for the two kinds of groups without any.
        none = {nvml.NVML_ERROR_NOT_FOUND, nvml.NVML_ERROR_NOT_SUPPORTED}

        def ask(handle: Any) -> bool:
            nvml.nvmlDeviceGetMemoryLimits_v1(handle, asked)
            return True

        told = self._nvml.ask_or(gpu_id, ask, none, otherwise=False)
        if not told or asked.hardLimit == nvml.NVML_DEVICE_MEMORY_LIMIT_MAX:
            return None
        return GroupLimit(asked.hardLimit // _MIB, -(-asked.currentUsed // _MIB))

    def set(self, gpu_id: GpuId, group: Path, limit_mib: int) -> None:
        """Let the programs in a group have so much together."""
        try:
            self._set(gpu_id, group, limit_mib * _MIB)
        except NvmlError as error:
            if error.code == self._nvml.module.NVML_ERROR_NOT_FOUND:
                raise NoControllerError(str(error)) from error
            raise

    def lift(self, gpu_id: GpuId, group: Path) -> None:
        """Take a group's own limit away."""
        nvml = self._nvml.module
        try:
            self._set(gpu_id, group, nvml.NVML_DEVICE_MEMORY_LIMIT_MAX)
        except NvmlError as error:
            if error.code != nvml.NVML_ERROR_NOT_FOUND:
                raise

    def _set(self, gpu_id: GpuId, group: Path, hard_bytes: int) -> None:
        nvml = self._nvml.module
        wanted = nvml.c_nvmlSetMemoryLimits_v1_t(str(group).encode(), 0, hard_bytes)
        self._nvml.ask(gpu_id, lambda card: nvml.nvmlDeviceSetMemoryLimits_v1(card, wanted))

    def _has_limits(self) -> bool:
        """Whether driver and nvidia-ml-py both are new enough."""
        nvml = self._nvml.module
        if not hasattr(nvml, _SET):
            return False
        try:
            with self._nvml.translated("the driver does not tell its version"):
                version = text_of(nvml.nvmlSystemGetDriverVersion())
        except DeviceError:
            return False
        major = version.partition(".")[0]
        return major.isdecimal() and int(major) >= _FIRST_DRIVER
