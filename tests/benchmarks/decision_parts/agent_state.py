"""A GPU as the agent keeps it, with so many slices: active, idle, waiting and away, and jobs."""

import random
from datetime import UTC, datetime, timedelta

from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.activity import ActivityRecord, ActivitySettings
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_quota.names.ids import GpuId, SliceId, UserName
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import SliceAssignment

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_IDLE_AFTER = timedelta(hours=2)


def served_slices(count: int, rng: random.Random) -> tuple[ServedGpu, list[ServedSlice]]:
    """Return a GPU as the agent keeps it: owners active, idle, waiting and away, and jobs."""
    total = 81920
    gpu = ServedGpu(
        Gpu(GpuId("GPU-0"), 0, "NVIDIA H100 80GB HBM3", total, simulated=False),
        GpuMemory(total, total // 2, total // 2),
    )
    slices = []
    for number in range(count):
        is_job = number % 8 == 7
        cap = max(512, 2 * total // count - 128 * rng.randrange(4))
        active = is_job or rng.random() < 0.5
        away = rng.random() < 0.5
        held = cap * rng.randrange(30, 100) // 100
        since = NOW - timedelta(seconds=rng.randrange(5, 4000))
        slice_id = SliceId(f"slice{number:02}")
        account = ActivityRecord(since, ActivitySettings())
        if not active:
            account.gives_up(_IDLE_AFTER, since)
        served = ServedSlice(slice_id, gpu.gpu.gpu_id, account, since)
        assignment = SliceAssignment(
            slice_id=slice_id,
            holder=Holder.JOB if is_job else Holder.NOTEBOOK,
            owner=UserName(f"user{number}"),
            gpu_id=gpu.gpu.gpu_id,
            memory_mib=cap,
            compute_milli=100,
            uid=1000 + number,
            created_at=since,
            entitlement=number,
        )
        served.assign(assignment, since)
        for pid in range(3):
            process = served.processes.track(ProcessIdentity("boot", 1000 * number + pid, 1))
            process.note_measured(held // 3)
            if away:
                process.goes_away(held // 3)
        served.judge(_IDLE_AFTER, timedelta(minutes=1), since, since)
        if not away and not is_job:
            served.open_gate(since)
        slices.append(served)
    return gpu, slices
