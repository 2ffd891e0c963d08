"""The GPU time of a slice where the driver counts none: from what it tells of utilisation."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.measurement.sample import Sample, SampledProcess
from sublet_agent.measurement.update import SampleUpdate
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.activity import ActivitySettings
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_quota.names.ids import SliceId

from tests.support.agent_cases import START
from tests.support.fake_device import BOOT, GPU
from tests.support.served_slices import served_as

PROCESS = ProcessIdentity(BOOT, 100, 1)
MEMORY = GpuMemory(81559, 20000, 61559)


@dataclass
class Residency:
    """What a measurement needs of a GPU's loop: the card and its slices."""

    served: ServedSlice
    gpu: ServedGpu = field(
        default_factory=lambda: ServedGpu(
            Gpu(gpu_id=GPU, index=0, type="H100", memory_mib=81559, simulated=False), MEMORY
        )
    )

    @property
    def slices(self) -> dict[SliceId, ServedSlice]:
        return {self.served.slice_id: self.served}


def sample(percent: int, began: datetime) -> Sample:
    process = SampledProcess(
        identity=PROCESS,
        slice_id=SliceId("s"),
        memory_mib=19000,
        utilisation_percent=percent,
        busy_ms=None,
        obstacle=None,
        looked_at=False,
    )
    return Sample(
        gpu_id=GPU,
        generation=0,
        began=began,
        memory=MEMORY,
        processes=(process,),
        alive=frozenset((PROCESS,)),
        cpu_s={},
        states={},
        unknown=frozenset(),
        utilisation_percent=percent,
        energy_mj=None,
    )


def seconds(count: float) -> datetime:
    return START + timedelta(seconds=count)


def measured(served: ServedSlice, *percents: int) -> ServedSlice:
    residency: Any = Residency(served)
    update = SampleUpdate(residency, ActivitySettings())
    for number, percent in enumerate(percents):
        now = seconds(number / 5)
        assert update.absorb(sample(percent, now), now, number / 5) is not None
    return served


def test_a_slices_gpu_time_is_the_sum_of_its_told_shares():
    assert measured(served_as("job"), 90, 90, 50, 0).gpu_busy_ms == 180 + 100


def test_time_from_before_a_pause_counts_too():
    job = served_as("job")
    job.pause(START)
    assert measured(job, 90, 90).gpu_busy_ms == 180
