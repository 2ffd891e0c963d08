"""The agent's options that concern the kubelet."""

import importlib.util
from pathlib import Path

from sublet_quota.amounts.lent_units import RESOURCE
from traitlets import Bool, HasTraits, Int, Unicode

from sublet_agent.device_plugin.settings import KUBELET_FOLDER, DevicePluginSettings
from sublet_agent.errors import SettingsError


class DevicePluginOptions(HasTraits):
    """The options of ``SubletAgent`` that concern its kubelet."""

    device_plugin = Bool(
        False,
        help=f"On Kubernetes: advertise what can be lent as the resource {RESOURCE}, as a device "
        "plugin of this node's kubelet.",
    ).tag(config=True)
    kubelet_folder = Unicode(
        str(KUBELET_FOLDER),
        help="The kubelet's folder of device plugins' sockets, as mounted here.",
    ).tag(config=True)
    lent_unit_mib = Int(
        1024,
        min=64,
        help=f"How much GPU memory, in MiB, one device of {RESOURCE} stands for: the same on all "
        "nodes, and as the hub service is told.",
    ).tag(config=True)
    lent_cdi_kind = Unicode(
        "",
        help="Jobs' containers get their card by its CDI name, such as nvidia.com/gpu=UUID; this "
        "is the part before the equals sign. Empty: by NVIDIA_VISIBLE_DEVICES, for NVIDIA's "
        "container runtime.",
    ).tag(config=True)

    def device_plugin_settings(self) -> DevicePluginSettings | None:
        """Return the settings, or ``None`` where no plugin is wanted.

        ``SettingsError`` where it cannot run.
        """
        if not self.device_plugin:
            return None
        for package in ("grpc", "google.protobuf"):
            if importlib.util.find_spec(package) is None:
                message = f"the device plugin needs {package}: install Sublet's extra 'kubernetes'"
                raise SettingsError(message)
        return DevicePluginSettings(
            folder=Path(self.kubelet_folder),
            unit_mib=self.lent_unit_mib,
            cdi_kind=self.lent_cdi_kind,
        )
