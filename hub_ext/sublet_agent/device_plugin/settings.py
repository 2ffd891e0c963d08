"""The settings of the device plugin."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

KUBELET_FOLDER: Final = Path("/var/lib/kubelet/device-plugins")


@dataclass(frozen=True, slots=True)
class DevicePluginSettings:
    """What is advertised to the kubelet, where, and how containers get their card."""

    folder: Path = KUBELET_FOLDER
    """The kubelet's folder of sockets; the kubelet's own is ``kubelet.sock``."""
    unit_mib: int = 1024
    """The memory that one device of the resource stands for."""
    cdi_kind: str = ""
    """The CDI kind, such as ``nvidia.com/gpu``: containers get the card by this and its UUID.
    Empty: by ``NVIDIA_VISIBLE_DEVICES``, for container runtimes that read it.
    """
    look_every_s: float = 1.0
    """How often the kubelet's socket is looked at: a kubelet that starts again makes it anew."""
    listed_within_s: float = 10.0
    """How long a kubelet that has taken the plugin may go without listing its units."""
