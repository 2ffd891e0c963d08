"""The question to NVML whether this machine has an NVIDIA GPU."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FoundGpu:
    """The first NVIDIA card of this machine."""

    name: str
    memory_gib: float


def first_nvidia_gpu() -> FoundGpu | None:
    """Return the first NVIDIA GPU, or ``None`` where NVML finds none."""
    try:
        import pynvml  # type: ignore[import-not-found, import-untyped, unused-ignore] # noqa: PLC0415 - an extra that only machines with a card install
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        if pynvml.nvmlDeviceGetCount() == 0:
            return None
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle).total / 2**30
        name = pynvml.nvmlDeviceGetName(handle)
        return FoundGpu(str(name), memory)
    except pynvml.NVMLError:
        return None
