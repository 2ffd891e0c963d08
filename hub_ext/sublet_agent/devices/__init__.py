"""GPUs behind one interface: NVIDIA cards, and simulated ones."""

from sublet_agent.devices.choice import DeviceKind, find_device

__all__ = ["DeviceKind", "find_device"]
