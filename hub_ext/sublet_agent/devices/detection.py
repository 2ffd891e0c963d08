"""The GPUs of this node: real ones where there are some, simulated ones where that was said."""

from enum import StrEnum

from sublet_agent.devices.interface import Device, DeviceError
from sublet_agent.devices.nvidia import NvidiaDevice, nvidia_gpus_found
from sublet_agent.devices.simulated import SimulatedDevice


class DeviceKind(StrEnum):
    """The GPUs to use: real ones, simulated ones, or what is found."""

    AUTO = "auto"
    """NVIDIA cards where NVML finds some, else the simulated ones."""
    NVIDIA = "nvidia"
    SIMULATED = "simulated"


def find_device(kind: str | DeviceKind, socket: str | None = None) -> Device:
    """Return the node's GPUs. ``socket`` is that of the daemon of simulated ones.

    ``DeviceError`` where there are none of the kind asked for.
    """
    wanted = DeviceKind(kind)
    if wanted is DeviceKind.AUTO:
        wanted = DeviceKind.NVIDIA if nvidia_gpus_found() else DeviceKind.SIMULATED
        if wanted is DeviceKind.SIMULATED and not socket:
            message = "NVML finds no GPU here, and no socket of simulated GPUs was given"
            raise DeviceError(message)
    match wanted:
        case DeviceKind.NVIDIA:
            return NvidiaDevice()
        case DeviceKind.SIMULATED | DeviceKind.AUTO:
            if not socket:
                message = "simulated GPUs: say where their daemon's socket is"
                raise DeviceError(message)
            device = SimulatedDevice(socket)
            device.gpus()
            return device
