"""What a waiting cell's owner is told: the code with its numbers, and the sentence made of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sublet_quota.reasons.waiting import (
    PREPARING,
    AwaitedMove,
    CellWait,
    WaitReason,
    cell_sentence,
)
from sublet_quota.residency.actions import Wait
from sublet_quota.residency.snapshot import Rank, TransitionKind
from sublet_quota.wire.tenant_socket import GateWaits

from sublet_agent.residency.served_gpu import RunningMove

_UNDER_WAY: Final = frozenset({WaitReason.COMING_BACK, WaitReason.MAKING_ROOM})
_MOVES: Final[Mapping[tuple[WaitReason, TransitionKind, bool], AwaitedMove]] = {
    (WaitReason.COMING_BACK, TransitionKind.RESUMING, True): AwaitedMove.OWN_RETURNS,
    (WaitReason.COMING_BACK, TransitionKind.SUSPENDING, True): AwaitedMove.OWN_LEAVES,
    (WaitReason.MAKING_ROOM, TransitionKind.SUSPENDING, False): AwaitedMove.OTHERS_LEAVE,
}
"""The awaited move, by the reason of the wait, what the move does, and whether it is one's own."""


def describe(wait: Wait | None, move: RunningMove | None, now: datetime) -> GateWaits:
    """Return why a cell waits, and for how long where that is known."""
    if wait is None:
        return GateWaits(reason=WaitReason.MAKING_ROOM, message=PREPARING)
    awaited, moving_mib, seconds_left = None, 0, None
    if move is not None and wait.reason in _UNDER_WAY:
        passed = (now - move.began).total_seconds()
        seconds_left = round(max(0.0, move.expected_s - passed), 1)
        own = move.slice_id == wait.slice_id
        awaited = _MOVES.get((wait.reason, move.kind, own), AwaitedMove.ANOTHERS)
        moving_mib = 0 if awaited is AwaitedMove.ANOTHERS else move.bytes_mib
    elif wait.turn_ends is not None:
        seconds_left = round(max(0.0, (wait.turn_ends - now).total_seconds()), 1)
    cell = CellWait(
        reason=wait.reason,
        place=wait.place,
        others=len(wait.waits_for),
        need_mib=max(0, wait.need_mib),
        move=awaited,
        moving_mib=moving_mib,
        called_back=wait.rank is Rank.CALLED_BACK,
        seconds_left=seconds_left,
    )
    return GateWaits(
        reason=cell.reason,
        place=cell.place,
        need_mib=cell.need_mib,
        free_mib=max(0, wait.free_mib),
        moving_mib=cell.moving_mib,
        seconds_left=cell.seconds_left,
        message=cell_sentence(cell),
    )
