"""The question to NVML which NVIDIA GPUs this machine has, and which of them nobody uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FoundGpu:
    """An NVIDIA card of this machine."""

    gpu_id: str
    """The card's UUID."""
    name: str
    memory_gib: float
    free_gib: float
    processes: int
    """How many processes use the card, as far as the driver tells."""
    split: bool = False
    """Whether MIG splits the card: such a card is not served."""


def first_nvidia_gpu() -> FoundGpu | None:
    """Return the first NVIDIA GPU, or ``None`` where NVML finds none."""
    return next(iter(nvidia_gpus()), None)


def nvidia_gpus() -> tuple[FoundGpu, ...]:
    """Return the NVIDIA GPUs that NVML finds: none without a driver or NVML's package."""
    try:
        import pynvml  # type: ignore[import-not-found, import-untyped, unused-ignore] # noqa: PLC0415 - an extra that only machines with a card install
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
        indices = range(pynvml.nvmlDeviceGetCount())
        return tuple(_card(pynvml, pynvml.nvmlDeviceGetHandleByIndex(each)) for each in indices)
    except pynvml.NVMLError:
        return ()


def quietest(gpus: Sequence[FoundGpu]) -> FoundGpu | None:
    """Return the card with the fewest processes, then the most free memory; ``None``: all split."""
    whole = [gpu for gpu in gpus if not gpu.split]
    return min(whole, key=lambda gpu: (gpu.processes, -gpu.free_gib), default=None)


def _card(pynvml: Any, handle: Any) -> FoundGpu:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return FoundGpu(
        gpu_id=_text(pynvml.nvmlDeviceGetUUID(handle)),
        name=_text(pynvml.nvmlDeviceGetName(handle)),
        memory_gib=memory.total / 2**30,
        free_gib=memory.free / 2**30,
        processes=_processes(pynvml, handle),
        split=_is_split(pynvml, handle),
    )


def _processes(pynvml: Any, handle: Any) -> int:
    pids: set[int] = set()
    for listing in (
        pynvml.nvmlDeviceGetComputeRunningProcesses,
        pynvml.nvmlDeviceGetGraphicsRunningProcesses,
    ):
        try:
            pids.update(each.pid for each in listing(handle))
        except pynvml.NVMLError:
            continue
    return len(pids)


def _is_split(pynvml: Any, handle: Any) -> bool:
    try:
        return bool(pynvml.nvmlDeviceGetMigMode(handle)[0] == pynvml.NVML_DEVICE_MIG_ENABLE)
    except pynvml.NVMLError:
        return False


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
