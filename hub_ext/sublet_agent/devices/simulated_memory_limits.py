"""The memory limits of control groups that the simulated driver has, from its version 615 on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.cap_keepers import DriverLimit

from sublet_agent.devices.interface import DeviceError
from sublet_agent.devices.memory_limits import GroupLimit


class SimulatedMemoryLimits:
    """The limits on the cards of one daemon."""

    def __init__(self, ask: Callable[..., Mapping[str, Any]]) -> None:
        """``ask`` the daemon: a verb and its fields; ``DeviceError``."""
        self._ask: Final = ask

    def why_not(self, gpu_id: GpuId, group: Path) -> DriverLimit | None:
        """Return why a group can have no limit on a card, as far as is known; or ``None``."""
        try:
            told = self._ask("memory_limit", gpu_id=gpu_id, group=str(group))
            if not told["has_limits"]:
                return DriverLimit.OLD_DRIVER
            is_mps = self._ask("setup", gpu_id=gpu_id)["mps"]
        except DeviceError:
            return DriverLimit.REFUSED
        return DriverLimit.MPS if is_mps else None

    def limit(self, gpu_id: GpuId, group: Path) -> GroupLimit | None:
        """Return the limit that holds for a group; ``None``: none does."""
        told = self._ask("memory_limit", gpu_id=gpu_id, group=str(group))
        if told["limit_mib"] is None:
            return None
        return GroupLimit(told["limit_mib"], told["used_mib"])

    def set(self, gpu_id: GpuId, group: Path, limit_mib: int) -> None:
        """Let the programs in a group have so much together."""
        self._ask("set_memory_limit", gpu_id=gpu_id, group=str(group), limit_mib=limit_mib)

    def lift(self, gpu_id: GpuId, group: Path) -> None:
        """Take a group's own limit away."""
        if self._ask("memory_limit", gpu_id=gpu_id, group=str(group))["limit_mib"] is not None:
            self._ask("set_memory_limit", gpu_id=gpu_id, group=str(group), limit_mib=None)
