"""The description of a slice, for hub service and tenants alike: its trouble, move and use."""

from datetime import datetime
from typing import TypedDict

from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable
from sublet_quota.residency.snapshot import TransitionKind
from sublet_quota.wire.agent_link import MoveReport

from sublet_agent.residency.served_gpu import RunningMove, ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.residency.told_use import use_in_all


def trouble(served: ServedSlice) -> Unsuspendable | None:
    """Return what a slice's owner must know: lost memory first, else why it is unsuspendable."""
    for process in served.processes:
        if process.lost is not None:
            detail = (
                f"the GPU memory of process {process.identity.pid} is lost ({process.lost}): "
                f"restart its kernel"
            )
            return Unsuspendable(Obstacle.LOST, detail)
    return served.unsuspendable()


class Trouble(TypedDict):
    """The fields of a report that tell what keeps a slice from being suspended."""

    unsuspendable: str | None
    obstacle: Obstacle | None


def describe_trouble(served: ServedSlice) -> Trouble:
    """Return a slice's trouble as it is told: in words and by its code."""
    why = trouble(served)
    if why is None:
        return Trouble(unsuspendable=None, obstacle=None)
    return Trouble(unsuspendable=why.detail, obstacle=why.obstacle)


def since_of(served: ServedSlice) -> datetime:
    """Return since when a slice is active or idle; of one not judged, since when it is there."""
    return served.state_since if served.activity is None else served.activity.since


def own_move(served: ServedSlice, gpu: ServedGpu) -> RunningMove | None:
    """Return the move of this slice; ``None`` while its GPU moves nothing of it."""
    return gpu.move if gpu.is_moving(served.slice_id) else None


def utilisation_of(served: ServedSlice) -> int | None:
    """Return how much of the GPU's time a slice uses now, in percent; ``None``: it is not told."""
    if served.paused:
        return 0
    return use_in_all(p.utilisation_percent for p in served.processes.on_gpu())


def describe_move(move: RunningMove | None, now: datetime) -> MoveReport | None:
    """Return a move as hub and tenants are told, with the time that it has taken so far."""
    if move is None:
        return None
    suspending = move.kind is TransitionKind.SUSPENDING
    return MoveReport(
        kind="suspending" if suspending else "resuming",
        began=move.began,
        bytes_mib=move.bytes_mib,
        moved_mib=move.moved_mib,
        expected_s=move.expected_s,
        elapsed_s=max(0.0, (now - move.began).total_seconds()),
    )
