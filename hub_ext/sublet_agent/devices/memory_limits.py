"""The interface to the limits that cards' driver itself keeps: GPU memory of a control group.

A limit counts all programs in a group and in those below it, and an allocation beyond it is refused
as one without room. All calls block. Amounts are MiB; a group is the full path of its folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.cap_keepers import DriverLimit


@dataclass(frozen=True, slots=True)
class GroupLimit:
    """The limit that holds for a group on a card, its own or one of a group above."""

    limit_mib: int
    used_mib: int
    """What counts for it now, by the driver's own account."""


class MemoryLimits(Protocol):
    """The limits of one node's cards."""

    def why_not(self, gpu_id: GpuId, group: Path) -> DriverLimit | None:
        """Return why a group can have no limit on a card, as far as is known; or ``None``.

        Never an error.
        """
        ...

    def limit(self, gpu_id: GpuId, group: Path) -> GroupLimit | None:
        """Return the limit that holds for a group; ``None``: none does. ``DeviceError``."""
        ...

    def set(self, gpu_id: GpuId, group: Path, limit_mib: int) -> None:
        """Let the programs in a group have so much together.

        ``NoControllerError``: no group like it can have one; ``DeviceError``: nothing is known.
        Groups above it are left as they are.
        """
        ...

    def lift(self, gpu_id: GpuId, group: Path) -> None:
        """Take a group's own limit away; one that has none is as good. ``DeviceError``."""
        ...


class NoMemoryLimits:
    """The limits of a driver that has none."""

    def why_not(self, _gpu_id: GpuId, _group: Path) -> DriverLimit | None:
        """Return that the driver has no limits."""
        return DriverLimit.OLD_DRIVER

    def limit(self, _gpu_id: GpuId, _group: Path) -> GroupLimit | None:
        """Return ``None``: no limit holds."""
        return None

    def set(self, gpu_id: GpuId, group: Path, limit_mib: int) -> None:
        """Refuse: whoever asks has not looked whether it can be."""
        message = f"the driver has no limits: {limit_mib} MiB of {gpu_id} for {group}"
        raise NotImplementedError(message)

    def lift(self, _gpu_id: GpuId, _group: Path) -> None:
        """Do nothing: there is none."""
