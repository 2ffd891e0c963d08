"""Let a card not tell something, whichever kind of GPU a test's agent serves."""

from typing import Any

from sublet_agent.simulated.machine.card import Figure

from tests.support.nvidia_stand_in.cards import NvidiaGpus

_NOT_SUPPORTED = 3
_ASKED_BY = {
    Figure.MEMORY: ("nvmlDeviceGetMemoryInfo",),
    Figure.PROCESSES: ("nvmlDeviceGetComputeRunningProcesses",),
    Figure.UTILISATION: ("nvmlDeviceGetUtilizationRates", "nvmlDeviceGetProcessUtilization"),
    Figure.ENERGY: ("nvmlDeviceGetTotalEnergyConsumption",),
    Figure.TEMPERATURE: ("nvmlDeviceGetTemperature",),
}


def silence(world: Any, figure: Figure) -> None:
    """Let the first card not tell a figure."""
    if not isinstance(world.gpus, NvidiaGpus):
        world.gpus.administration.silence(world.gpu_id, figure)
        return
    for symbol in _ASKED_BY[figure]:
        world.gpus.stand_in.answer(symbol, _NOT_SUPPORTED, card=0)


def hide_memory(world: Any, pid: int) -> None:
    """Let the first card not tell how much a process holds."""
    if isinstance(world.gpus, NvidiaGpus):
        world.gpus.stand_in.card(0, memory_unknown=True)
    else:
        world.gpus.administration.hide_memory(pid)


def tell_everything(world: Any, pid: int | None = None) -> None:
    """Let the first card tell everything again, of this process, too."""
    if isinstance(world.gpus, NvidiaGpus):
        world.gpus.stand_in.reset()
        return
    for figure in Figure:
        world.gpus.administration.silence(world.gpu_id, figure, silent=False)
    if pid is not None:
        world.gpus.administration.hide_memory(pid, hidden=False)
