"""The GPUs of this node: real ones where there are some, simulated ones where that was said."""

from dataclasses import dataclass, field
from enum import StrEnum

from sublet_agent.cgroups.standing_still import StandingStill
from sublet_agent.devices.interface import Device, DeviceError
from sublet_agent.devices.nvidia import NvidiaDevice, nvidia_gpus_found
from sublet_agent.devices.simulated import SimulatedDevice
from sublet_agent.driver_helper.client import DriverHelper


class DeviceKind(StrEnum):
    """The GPUs to use: real ones, simulated ones, or what is found."""

    AUTO = "auto"
    """NVIDIA cards where NVML finds some, else the simulated ones."""
    NVIDIA = "nvidia"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class DevicePlaces:
    """Where the node's GPUs and what serves them are found."""

    simulated_socket: str | None = None
    """The socket of the daemon of simulated GPUs."""
    driver_helper: DriverHelper | None = None
    """The helper that calls NVIDIA's driver."""
    still: StandingStill = field(default_factory=StandingStill)


def find_device(kind: str | DeviceKind, places: DevicePlaces) -> Device:
    """Return the node's GPUs; ``DeviceError`` where there are none of the kind asked for."""
    wanted, socket = DeviceKind(kind), places.simulated_socket
    if wanted is DeviceKind.AUTO:
        wanted = DeviceKind.NVIDIA if nvidia_gpus_found() else DeviceKind.SIMULATED
        if wanted is DeviceKind.SIMULATED and not socket:
            message = "NVML finds no GPU here, and no socket of simulated GPUs was given"
            raise DeviceError(message)
    match wanted:
        case DeviceKind.NVIDIA:
            if places.driver_helper is None:
                message = "NVIDIA cards: say which helper calls their driver"
                raise DeviceError(message)
            return NvidiaDevice(places.driver_helper, places.still)
        case DeviceKind.SIMULATED | DeviceKind.AUTO:
            if not socket:
                message = "simulated GPUs: say where their daemon's socket is"
                raise DeviceError(message)
            device = SimulatedDevice(socket, places.still)
            device.gpus()
            return device
