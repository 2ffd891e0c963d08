"""How the device plugin is set up."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

KUBELET_FOLDER: Final = Path("/var/lib/kubelet/device-plugins")


@dataclass(frozen=True, slots=True)
class DevicePluginSettings:
    """What is advertised, where, and how containers get their card."""

    folder: Path = KUBELET_FOLDER
    """The kubelet's folder of sockets: its own is ``kubelet.sock``."""
    unit_mib: int = 1024
    """How much memory one device of the resource stands for."""
    cdi_kind: str = ""
    """Such as ``nvidia.com/gpu``: containers get the card by its CDI name, this and its UUID.
    Empty: by ``NVIDIA_VISIBLE_DEVICES``, for container runtimes that read it."""
    look_every_s: float = 1.0
    """How often the kubelet's socket is looked at: a kubelet that starts again makes it anew."""
