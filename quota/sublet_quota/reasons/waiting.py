"""Why a cell, a slice or a job waits: codes with their numbers, and the one table of their words.

Whoever decides gives a code and numbers; who shows them to people asks here for the words: kernel
output, panel, widget, spawn page, command line and log say the same. None names another user.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.names.ids import GroupName, NodeId
from sublet_quota.reasons.counted import Counted
from sublet_quota.reasons.derivation import DocumentLine
from sublet_quota.reasons.moments import moment_words
from sublet_quota.reasons.refusal import quoted
from sublet_quota.reasons.slow_give_back import SlowGiveBack, slow_clause


class WaitReason(StrEnum):
    """Why an active slice is not running yet."""

    COMING_BACK = "coming-back"
    """The slice's own bytes are on their way back."""
    MAKING_ROOM = "making-room"
    """Other slices are being suspended for this one."""
    TURN = "turn"
    """Other active owners have their turn."""
    CALLED_BACK = "called-back"
    """Those of a lower rank are at work, and what they leave is not enough for this one."""
    OVER_CAP = "over-cap"
    """The slice has more than its cap: who keeps to theirs comes first."""
    OWNERS_ACTIVE = "owners-active"
    """A job waits: an owner is active on this GPU."""
    NOT_IDLE_YET = "not-idle-yet"
    """A job waits: a slice that may not be moved holds the room."""
    RESERVED = "reserved"
    """The room is kept free for a reservation that begins soon, or has begun."""
    GIVE_BACK_TOO_SLOW = "give-back-too-slow"
    """A job waits: it could not leave within the pool's ``give_back_within``."""
    LENDING_OFF = "lending-off"
    FOREIGN_PROCESS = "foreign-process"
    UNFIT_GPU = "unfit-gpu"
    """Whether memory can be moved safely on this GPU is not known, or known not to be so."""
    HOST_MEMORY = "host-memory"
    UNSUSPENDABLE = "unsuspendable"
    GPU_CLOSED = "gpu-closed"
    HELD_BACK = "held-back"
    """A job waits: another has taken its place, below a limit or on its GPU."""


class AwaitedMove(StrEnum):
    """The move of memory under way on the GPU, as whoever waits there is concerned by it."""

    OWN_RETURNS = "own-returns"
    """The bytes of the waiting slice are coming back."""
    OWN_LEAVES = "own-leaves"
    """The bytes of the waiting slice are still on their way out, and come back after that."""
    OTHERS_LEAVE = "others-leave"
    """Another slice's bytes leave, and that makes room."""
    ANOTHERS = "anothers"
    """The move does nothing for whoever waits, and has to end first."""


@dataclass(frozen=True, slots=True)
class CellWait:
    """A cell at its slice's gate: why it waits, and the numbers of that."""

    reason: WaitReason
    place: int = 1
    """The cell's place among those that wait, 1 for the next."""
    others: int = 0
    """How many slices the cell waits for."""
    need_mib: int = 0
    move: AwaitedMove | None = None
    moving_mib: int = 0
    """How much the move takes, where that is awaited."""
    called_back: bool = False
    """Whether others are due the place of the slice, which is more than that it is borrowed."""
    seconds_left: float | None = None
    """Seconds until the move or another's turn ends; ``None``: not known."""


class QueueReason(StrEnum):
    """Why a job is not placed on a GPU yet."""

    LENDING_OFF = "lending-off"
    NO_GPU = "no-gpu"
    """No GPU of the job's type, or on its node, is open to jobs."""
    LARGER_THAN_GPU = "larger-than-gpu"
    GPU_KEPT = "gpu-kept"
    """A GPU is kept for the job until the jobs there are done."""
    BEHIND_OTHERS = "behind-others"
    """The GPUs on which the job would fit are kept for jobs before it."""
    TOO_LITTLE_IDLE = "too-little-idle"
    """No GPU can lend so much now."""
    GIVE_BACK_TOO_SLOW = "give-back-too-slow"
    """The job could not leave in time for the owners of slices on any GPU that it may have."""
    HOST_MEMORY = "host-memory"
    """A GPU could lend so much, but its node has no host memory to suspend the job into."""
    LIMIT_FULL = "limit-full"
    """A limit is filled by what runs, or what is left of it kept for jobs before: the job waits."""
    NOT_ALLOWED = "not-allowed"
    """Rights let the job run on none of the GPUs that are open to jobs now."""


@dataclass(frozen=True, slots=True)
class KeptGpu:
    """The GPU that is kept for a waiting job, or the first of several."""

    node: NodeId
    index: int
    at: datetime | None = None
    """When it begins there at the latest, by how long those there may run; ``None``: not known."""
    beside: tuple[int, ...] = ()
    """The others of the same node that are kept for it."""


@dataclass(frozen=True, slots=True)
class FullLimit:
    """A limit that what runs fills: whose, of what, and where it is said."""

    group: GroupName | None
    """Whose limit it is; ``None``: the owner's own."""
    has: str
    """What is held, in words: ``2 cards of H100``, ``40 GiB``."""
    may_have: str
    line: DocumentLine
    kept: bool = False
    """Whether what is left of it is kept for jobs that come before."""


@dataclass(frozen=True, slots=True)
class QueueWait:
    """A job in the queue: why it waits, and the numbers of that."""

    reason: QueueReason
    need_mib: int | None = None
    """How much the job needs; ``None``: a whole GPU, and none is there."""
    most_mib: int = 0
    """The most that one GPU could lend the job now."""
    host_mib: int = 0
    """The most host memory that is left for the job on a node where it would have room."""
    largest_mib: int = 0
    """What the largest GPU gives that is open to the job, where it needs more than that."""
    is_whole: bool = False
    """Whether the job asks for a whole GPU, however large that is."""
    gpus: int = 1
    """The number of GPUs, each with as much as it needs."""
    gpu_type: str | None = None
    node: NodeId | None = None
    """The one node on which the job can run, where there is only one."""
    kept: KeptGpu | None = None
    behind: tuple[GroupName | None, ...] = ()
    """The groups whose jobs have the GPUs kept that would do; ``None``: people's in no group."""
    limit: FullLimit | None = None
    slow: SlowGiveBack | None = None


@dataclass(frozen=True, slots=True)
class _Words:
    """A reason for a cell's owner, and as a clause about any slice or job."""

    cell: str
    clause: str


_WORDS: Final[Mapping[WaitReason, _Words]] = MappingProxyType(
    {
        WaitReason.COMING_BACK: _Words(
            "Your {own} {own:come} back to the GPU next.",
            "its memory is on its way back to the GPU",
        ),
        WaitReason.MAKING_ROOM: _Words(
            "Room for your {own} is being made.",
            "others are being suspended for it",
        ),
        WaitReason.TURN: _Words(
            "{others} at work on this GPU, and not all fit at once: you are number {place} in "
            "line, and it is another's turn.{ends}",
            "others have their turn",
        ),
        WaitReason.CALLED_BACK: _Words(
            "Your slice is borrowed, and {others_here} at work on this GPU to whom the room is "
            "guaranteed. Nothing is lost: your slice goes on as soon as there is room for it, or "
            "they are idle.",
            "those are at work there to whom the room is guaranteed",
        ),
        WaitReason.OVER_CAP: _Words(
            "Your slice has more than its cap, and those on this GPU who keep to theirs come "
            "first. Nothing is lost: your slice goes on as soon as there is room for all it has. A "
            "larger slice (resize), or ending a kernel that is needed no more, helps.",
            "it has more than its cap, and those there who keep to theirs come first",
        ),
        WaitReason.OWNERS_ACTIVE: _Words(
            "The job waits: {others} at work on this GPU.",
            "an owner is active there",
        ),
        WaitReason.NOT_IDLE_YET: _Words(
            "The job waits until a slice on this GPU is idle and may be lent.",
            "a slice there is not idle yet, or is kept by its owner",
        ),
        WaitReason.RESERVED: _Words(
            "The room on this GPU is kept free for a reservation. Nothing is lost: your slice goes "
            "on as soon as there is room for it.",
            "the room is kept free for a reservation",
        ),
        WaitReason.GIVE_BACK_TOO_SLOW: _Words(
            "The job waits: it is too large to make room in time for an owner's return.",
            "it could not leave again as quickly as the pool demands",
        ),
        WaitReason.LENDING_OFF: _Words(
            "The job waits: its GPU is not lent to jobs now.",
            "its GPU is not lent to jobs now",
        ),
        WaitReason.FOREIGN_PROCESS: _Words(
            "A process that Sublet does not know uses this GPU, so nothing can be moved safely. "
            "Ask your admin.",
            "a process that is not Sublet's uses the GPU",
        ),
        WaitReason.UNFIT_GPU: _Words(
            "Not everything can be moved on this GPU until it has been checked, or put right. If "
            "this lasts for more than a minute, ask your admin.",
            "the GPU is not fit to be lent, or not checked yet",
        ),
        WaitReason.HOST_MEMORY: _Words(
            "The machine has no memory left to set others' data aside in. Ask your admin.",
            "the node has too little memory to suspend others into",
        ),
        WaitReason.UNSUSPENDABLE: _Words(
            "What is in the way on this GPU cannot be moved. Ask your admin.",
            "what holds the room cannot be suspended",
        ),
        WaitReason.HELD_BACK: _Words(
            "The job waits: another has taken its place, below a limit or on its GPU.",
            "another has taken its place, below a limit of its group or its owner or on its GPU: "
            "it loses nothing, and goes on as soon as there is room again",
        ),
        WaitReason.GPU_CLOSED: _Words(
            "This GPU reported an error and takes nothing new. Ask your admin.",
            "the GPU fails and is closed",
        ),
    }
)
_MOVES: Final[Mapping[AwaitedMove, str]] = MappingProxyType(
    {
        AwaitedMove.OWN_RETURNS: "Your {moving} {moving:are} coming back to the GPU{about}.",
        AwaitedMove.OWN_LEAVES: (
            "Your {moving} {moving:are} on the way out, and {moving:come} back as soon as "
            "{moving:they} {moving:have} arrived{about}."
        ),
        AwaitedMove.OTHERS_LEAVE: (
            "Room for your {own} is being made: {moving} {moving:are} being moved away{about}."
        ),
    }
)
_DUE_TO_OTHERS: Final = (
    "Your slice is called back: its place is due to others, and {others_here} at work on this GPU. "
    "Nothing is lost: your slice goes on as soon as nobody of those needs the room."
)
"""The sentence of a cell whose slice is called back, and not only borrowed."""
_ANOTHERS_FIRST: Final = " First ends another's move on this GPU{about}."
_MOST_GROUPS: Final = 3
PREPARING: Final = "Your slice is being prepared."
"""The sentence of a cell whose slice the GPU's policy has not looked at yet."""


def cell_sentence(wait: CellWait) -> str:
    """Return why a cell waits, as a sentence for its owner."""
    sentence = _WORDS[wait.reason].cell
    if wait.reason is WaitReason.CALLED_BACK and wait.called_back:
        sentence = _DUE_TO_OTHERS
    if wait.move is AwaitedMove.ANOTHERS:
        sentence += _ANOTHERS_FIRST
    elif wait.move is not None:
        sentence = _MOVES[wait.move]
    left, one = wait.seconds_left, wait.others <= 1
    return sentence.format(
        own=_amount(wait.need_mib),
        moving=_amount(wait.moving_mib),
        about="" if left is None else f", about {left:.0f} s left",
        others="Another owner is" if one else f"{wait.others} others are",
        others_here="another owner is" if one else f"{wait.others} others are",
        place=wait.place,
        ends="" if left is None else f" It ends in about {left:.0f} s.",
    )


def wait_clause(reason: WaitReason) -> str:
    """Return why a slice or a placed job waits, to stand behind a colon or in brackets."""
    return _WORDS[reason].clause


def queue_clause(wait: QueueWait) -> str:
    """Return why a job is still in the queue, to stand behind a colon."""
    there = "" if wait.node is None else f" of {wait.node}"
    match wait.reason:
        case QueueReason.LENDING_OFF:
            return "lending is switched off: no job begins until it is on again"
        case QueueReason.NO_GPU:
            asked = f" of type {quoted(wait.gpu_type)}" if wait.gpu_type else ""
            why = f"no GPU{asked}{there} is open to jobs now"
        case QueueReason.LARGER_THAN_GPU:
            why = (
                f"needs {format_memory(wait.need_mib or 0)}, and the largest GPU{there} that is "
                f"open to jobs now gives {format_memory(wait.largest_mib)}"
            )
        case QueueReason.GPU_KEPT:
            why = f"needs {_needed(wait)}: {_kept(wait.kept)}"
        case QueueReason.BEHIND_OTHERS:
            why = (
                f"needs {_needed(wait)}, and the GPUs{there} that could give that are kept for "
                f"jobs{_of_whom(wait.behind)} before it: it begins after those"
            )
        case QueueReason.LIMIT_FULL:
            why = _full(wait.limit)
        case QueueReason.NOT_ALLOWED:
            why = f"the GPUs{there} that are open to jobs now are of types or sizes not allowed it"
        case _:
            why = f"needs {_needed(wait)}{_lacking(wait.reason, wait, there)}"
    if wait.node is not None:
        why += f"; it runs on {wait.node} alone, where its owner's files are in use"
    return why


def _kept(kept: KeptGpu | None) -> str:
    """Return which GPU is kept for a job, and until when."""
    if kept is None:
        return "a GPU is kept for it until the jobs there are done"
    last = "" if kept.at is None else f", at {moment_words(kept.at)} at the latest"
    until = f"kept for it until the jobs there are done{last}"
    if not kept.beside:
        return f"GPU {kept.index} of {kept.node} is {until}"
    *others, one = sorted((kept.index, *kept.beside))
    return f"GPUs {', '.join(map(str, others))} and {one} of {kept.node} are {until}"


def _lacking(
    reason: Literal[
        QueueReason.TOO_LITTLE_IDLE, QueueReason.HOST_MEMORY, QueueReason.GIVE_BACK_TOO_SLOW
    ],
    wait: QueueWait,
    there: str,
) -> str:
    if reason is QueueReason.GIVE_BACK_TOO_SLOW:
        return slow_clause(wait.slow, there, is_whole=wait.is_whole)
    if reason is QueueReason.HOST_MEMORY:
        return (
            f", and where a GPU{there} could lend that the node has host memory for "
            f"{format_memory(wait.host_mib)} more to suspend it into: it begins when jobs or "
            "borrowed slices there end"
        )
    most = format_memory(wait.most_mib)
    if wait.is_whole:
        now = f"; the most that one can lend now is {most}" if wait.most_mib else ""
        return f": it begins when all slices on one GPU{there} are idle{now}"
    if wait.most_mib == 0:
        return f", and no GPU{there} can lend any now: it begins when slices are idle"
    return (
        f", and the most that one GPU{there} can lend now is {most}: it begins when more slices "
        "are idle"
    )


def _full(limit: FullLimit | None) -> str:
    if limit is None:
        return "a limit is full: it begins when something that counts there ends"
    whose = "its owner" if limit.group is None else f"group '{limit.group}'"
    has = f"{whose} has {limit.has} and may have {limit.may_have} ({limit.line})"
    if limit.kept:
        return f"{has}, and what is left is kept for jobs before it: it begins after those"
    return f"{has}: it begins when enough of that ends"


def _of_whom(groups: tuple[GroupName | None, ...]) -> str:
    """Return whose jobs; of people in no group nobody is named."""
    named = [f"'{group}'" for group in groups if group is not None]
    if not named:
        return ""
    shown = ", ".join(named[:_MOST_GROUPS]) + (", ..." if len(named) > _MOST_GROUPS else "")
    return f" of {shown}" + (" and others" if None in groups else "")


def _needed(wait: QueueWait) -> str:
    amount = format_memory(wait.need_mib or 0)
    if wait.gpus > 1:
        return f"{wait.gpus} {'whole ' if wait.is_whole else ''}GPUs of one node ({amount} of each)"
    return f"a whole GPU ({amount})" if wait.is_whole else amount


def _amount(mib: int) -> Counted:
    return Counted(format_memory(mib) if mib else "data")
