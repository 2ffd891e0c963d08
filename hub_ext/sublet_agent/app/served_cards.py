"""What is made for each card that the agent serves: its state, and the loops that look after it."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.closed_gpus import ClosedGpu

from sublet_agent.devices.interface import Device, DeviceError, Gpu, GpuMemory
from sublet_agent.fitness.card_checks import CardCheck, FitnessTools
from sublet_agent.measurement.loop import SamplingLoop, SamplingTools
from sublet_agent.residency.controller import GpuResidency, ResidencyTools
from sublet_agent.residency.served_gpu import ServedGpu

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTools:
    """The things that the loops of every card work with."""

    device: Device
    residency: ResidencyTools
    sampling: SamplingTools
    fitness: FitnessTools
    closed: Mapping[GpuId, ClosedGpu]
    """Why cards take nothing new from the start on."""
    first_mib_per_s: float
    """The rate at which memory is thought to move until that was measured."""
    move_ended: Callable[[], None]
    """Called at the end of each move of memory."""


@dataclass(frozen=True, slots=True)
class ServedCards:
    """The loops of all cards."""

    residencies: dict[GpuId, GpuResidency] = field(default_factory=dict)
    samplers: dict[GpuId, SamplingLoop] = field(default_factory=dict)
    checks: list[CardCheck] = field(default_factory=list)


def serve_cards(gpus: Iterable[Gpu], tools: CardTools) -> ServedCards:
    """Return the loops of these cards, none of which has begun."""
    cards = ServedCards()
    for gpu in gpus:
        served = ServedGpu(
            gpu,
            _first_memory(tools.device, gpu),
            closed=tools.closed.get(gpu.gpu_id),
            first_mib_per_s=tools.first_mib_per_s,
        )
        residency = GpuResidency(served, tools.residency)
        residency.move_ended = tools.move_ended
        cards.residencies[gpu.gpu_id] = residency
        cards.samplers[gpu.gpu_id] = SamplingLoop(residency, tools.sampling)
        cards.checks.append(CardCheck(residency, tools.fitness))
        log.info("GPU %s: %s %s, %s MiB", gpu.index, gpu.gpu_id, gpu.type, gpu.memory_mib)
    return cards


def _first_memory(device: Device, gpu: Gpu) -> GpuMemory:
    try:
        return device.memory(gpu.gpu_id)
    except DeviceError as error:
        log.warning("GPU %s does not answer: %s", gpu.gpu_id, error)
        return GpuMemory(gpu.memory_mib, gpu.memory_mib, 0)
