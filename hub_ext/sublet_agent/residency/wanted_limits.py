"""The limits that the driver is to keep of a card's slices: those that spawners asked for."""

import asyncio
from concurrent.futures import Executor

from sublet_quota.reasons.cap_keepers import is_asked_of_driver

from sublet_agent.moves.driver_limits import WantedLimit
from sublet_agent.residency.controller import GpuResidency
from sublet_agent.residency.served_slice import ServedSlice


def wanted_limit(served: ServedSlice) -> WantedLimit:
    """Return the limit that a slice is to have: its cap, where that was asked for.

    A pod's is the business of whoever made its control group.
    """
    assignment = served.assignment
    asked = (
        assignment is not None
        and assignment.pod_uid is None
        and is_asked_of_driver(assignment.cap_kept_by)
    )
    return WantedLimit(
        served.slice_id,
        served.gpu_id,
        served.cap_mib if asked else None,
        served.cap_use.held_mib,
    )


async def keep_limits(residency: GpuResidency, calls: Executor) -> bool:
    """Bring the limits of a card's slices in line; return whether how one stands is another.

    Slices of which memory moves, or is in host memory, have none meanwhile.
    """
    limits, changed = residency.limits, False
    for served in tuple(residency.slices.values()):
        wanted = wanted_limit(served)
        if residency.gpu.is_moving(served.slice_id) or served.processes.away():
            # It may have got another cap meanwhile.
            limits.note(wanted)
            continue
        if limits.is_due(wanted):
            before = limits.standing(served.slice_id)
            await asyncio.get_running_loop().run_in_executor(calls, limits.keep, wanted)
            changed |= limits.standing(served.slice_id) is not before
    return changed
