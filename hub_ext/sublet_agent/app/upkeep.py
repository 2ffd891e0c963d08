"""What an agent does again and again beside its cards' loops: watch for faults, and tidy up."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.closed_gpus import ClosedGpu
from sublet_quota.wire.agent_link import SliceAssignment

from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.cgroups.node_groups import NodeGroups
from sublet_agent.clock import Clock
from sublet_agent.devices.interface import Device, DeviceError
from sublet_agent.measurement.loop import SamplingLoop
from sublet_agent.moves.thawing import AT_THE_LATEST_S
from sublet_agent.residency.left_behind import LeftBehind
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.state_files.failed_gpus import FailedGpus
from sublet_agent.state_files.journal import Journal

_HEALTH_PERIOD_S: Final = 1.0
_HOUSEKEEPING_S: Final = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepTools:
    """The things that are looked after."""

    device: Device
    looks: Executor
    """The threads in which the device is asked."""
    clock: Clock
    samplers: Mapping[GpuId, SamplingLoop]
    closed: FailedGpus
    registry: SliceRegistry
    attribution: Attribution
    journal: Journal
    groups: NodeGroups
    slices: Callable[[], Sequence[SliceAssignment]]
    """Those that are here, each with the card that it is on."""
    left_behind: LeftBehind


class Upkeep:
    """The two loops, each until it is cancelled."""

    def __init__(self, tools: UpkeepTools) -> None:
        self._tools = tools

    async def watch_health(self) -> None:
        """Close the cards that tell of a fault."""
        while True:
            try:
                await self._look_at_health()
            except DeviceError as error:
                log.warning("the GPUs' health cannot be read: %s", error)
            except Exception:
                log.exception("watching the GPUs' health failed")
            await asyncio.sleep(_HEALTH_PERIOD_S)

    async def _look_at_health(self) -> None:
        tools, loop = self._tools, asyncio.get_running_loop()
        for event in await loop.run_in_executor(tools.looks, tools.device.health):
            sampler = tools.samplers.get(event.gpu_id)
            if sampler is not None:
                reason = ClosedGpu(event.fault, event.detail)
                sampler.close(reason)
                if not reason.may_pass:
                    tools.closed.close(event.gpu_id, reason)

    async def keep_house(self) -> None:
        """Forget what is gone, and look after the control groups."""
        began_s = self._tools.clock.monotonic()
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            try:
                await self._tidy()
                if self._tools.clock.monotonic() - began_s >= AT_THE_LATEST_S:
                    await self._tools.left_behind.thaw_without_word()
            except Exception:
                log.exception("not all could be tidied up; it is tried again")

    async def _tidy(self) -> None:
        tools = self._tools
        tools.registry.drop_empty()
        await asyncio.to_thread(tools.attribution.forget_dead)
        await asyncio.to_thread(tools.journal.compact_if_long)
        known = tools.registry.processes()
        await asyncio.to_thread(tools.groups.tidy, known, tools.slices)
