"""The waking of suspended slices whose programs may wait in a GPU call, which nothing shows.

A cell that still runs says so, and wakes its slice. A program that is no kernel's (in a terminal)
cannot say anything: its slice is looked in on, for a moment, after longer and longer times as long
as that is in vain. So such a program waits for a bounded time, and the moves it costs others stay
few.
"""

from datetime import datetime, timedelta
from typing import Final

from sublet_agent.residency.controller import GpuResidency
from sublet_agent.residency.served_slice import ServedSlice

_SELDOM: Final = timedelta(hours=1)
_MOST_DOUBLINGS: Final = 10


def wake_who_may_wait(residency: GpuResidency, after: timedelta, now: datetime) -> None:
    """Wake the slices of this GPU that have been suspended long enough to be looked in on."""
    for served in residency.slices.values():
        if served.is_job or served.active or not served.processes.away():
            continue
        away_for = now - served.state_since
        if served.activity_record.runs_a_cell(now):
            if away_for >= after:
                served.activity_record.wakes(now)
        elif _has_silent_programs(served) and away_for >= _patience(served, after):
            served.activity_record.note_look_in(residency.gpu.idle_after, now)


def _has_silent_programs(served: ServedSlice) -> bool:
    return any(not served.kernels.has(p.identity) for p in served.processes.away())


def _patience(served: ServedSlice, after: timedelta) -> timedelta:
    doublings: int = min(served.activity_record.looked_in_in_vain, _MOST_DOUBLINGS)
    return max(after, min(after * (1 << doublings), _SELDOM))
