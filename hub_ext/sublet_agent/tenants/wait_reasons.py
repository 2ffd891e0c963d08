"""What a waiting cell's owner is told: one plain sentence, naming no other user."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.residency.actions import Wait, WaitReason
from sublet_quota.residency.snapshot import TransitionKind
from sublet_quota.wire.tenant_socket import GateWaits

from sublet_agent.residency.served_gpu import RunningMove

_SENTENCES: Final[Mapping[WaitReason, str]] = {
    WaitReason.COMING_BACK: "Your {own} come back to the GPU next.",
    WaitReason.MAKING_ROOM: "Room for your {own} is being made.",
    WaitReason.TURN: (
        "{others} at work on this GPU, and not all fit at once: you are number {place} in line, "
        "and it is another's turn.{ends}"
    ),
    WaitReason.OWNERS_ACTIVE: "The job waits: {others} at work on this GPU.",
    WaitReason.NOT_IDLE_YET: "The job waits until a slice on this GPU is idle and may be lent.",
    WaitReason.GIVE_BACK_TOO_SLOW: (
        "The job waits: it is too large to make room in time for an owner's return."
    ),
    WaitReason.LENDING_OFF: "The job waits: lending is switched off.",
    WaitReason.FOREIGN_PROCESS: (
        "A process that Sublet does not know uses this GPU, so nothing can be moved safely. "
        "Ask your admin."
    ),
    WaitReason.HOST_MEMORY: (
        "The machine has no memory left to set others' data aside in. Ask your admin."
    ),
    WaitReason.UNSUSPENDABLE: ("What is in the way on this GPU cannot be moved. Ask your admin."),
    WaitReason.GPU_CLOSED: "This GPU reported an error and takes nothing new. Ask your admin.",
}
_UNDER_WAY: Final = frozenset({WaitReason.COMING_BACK, WaitReason.MAKING_ROOM})
_MOVES: Final[Mapping[tuple[WaitReason, TransitionKind, bool], str]] = {
    (WaitReason.COMING_BACK, TransitionKind.RESUMING, True): (
        "Your {moving} are coming back to the GPU{about}."
    ),
    (WaitReason.COMING_BACK, TransitionKind.SUSPENDING, True): (
        "Your {moving} are on their way out, and come back as soon as they have arrived{about}."
    ),
    (WaitReason.MAKING_ROOM, TransitionKind.SUSPENDING, False): (
        "Room for your {own} is being made: {moving} are being moved away{about}."
    ),
}
"""Of the move in flight: for what one waits, what the move does, and whether it moves one's own."""
_ANOTHERS_FIRST: Final = " First ends another's move on this GPU{about}."


def describe(wait: Wait | None, move: RunningMove | None, now: datetime) -> GateWaits:
    """Return why a cell waits, in words for its owner, and for how long where that is known.

    ``wait``: as the policy said; ``None`` before it has spoken. ``move``: the one in flight.
    """
    if wait is None:
        return GateWaits(reason=WaitReason.MAKING_ROOM, message="Your slice is being prepared.")
    moving_mib, seconds_left, sentence = 0, None, _SENTENCES[wait.reason]
    if move is not None and wait.reason in _UNDER_WAY:
        passed = (now - move.began).total_seconds()
        seconds_left = round(max(0.0, move.expected_s - passed), 1)
        awaited = _MOVES.get((wait.reason, move.kind, move.slice_id == wait.slice_id))
        moving_mib = 0 if awaited is None else move.bytes_mib
        sentence = awaited or sentence + _ANOTHERS_FIRST
    elif wait.turn_ends is not None:
        seconds_left = round(max(0.0, (wait.turn_ends - now).total_seconds()), 1)
    return GateWaits(
        reason=wait.reason,
        place=wait.place,
        need_mib=max(0, wait.need_mib),
        free_mib=max(0, wait.free_mib),
        moving_mib=moving_mib,
        seconds_left=seconds_left,
        message=_filled(sentence, wait, moving_mib, seconds_left),
    )


def _filled(sentence: str, wait: Wait, moving_mib: int, seconds_left: float | None) -> str:
    return sentence.format(
        own=_amount(wait.need_mib),
        moving=_amount(moving_mib),
        about="" if seconds_left is None else f", about {seconds_left:.0f} s left",
        others=_people(len(wait.waits_for)),
        place=wait.place,
        ends="" if seconds_left is None else f" It ends in about {seconds_left:.0f} s.",
    )


def _amount(mib: int) -> str:
    return format_memory(mib) if mib else "data"


def _people(count: int) -> str:
    return "Another owner is" if count <= 1 else f"{count} others are"
