"""Refusals for want of a GPU, or of room on one."""

from enum import unique
from typing import Final

from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.reasons.refusals.refuse import RefusalCode, Row

_FREE: Final = (
    "GPU of pool '{pool}' has room for {asked} now: the one with the most free memory has {free}."
)
_FILES_IN_USE: Final = (
    "Your files are in use on node '{node}', by {home_user}, and only one node at a time can have "
    "them. There"
)
_ENDED_OR_SMALLER: Final = (
    "Wait until that has ended (a job can be cancelled, a server stopped), or pick a smaller size."
)
_STOPPED_OR_SMALLER: Final = "Pick a smaller size, or wait until somebody stops a server."


@unique
class RoomRefusal(RefusalCode):
    """Why no GPU can have a slice, or a GPU no larger one."""

    NO_GPU = Row(
        RefusalReason.NO_GPU, "Pool '{pool}' has no GPU now. An administrator can add some."
    )
    NO_GPU_OF_TYPE = Row(
        RefusalReason.NO_GPU,
        "Pool '{pool}' has no GPU of type {asked_type} now. There are: {types}.",
    )
    GPUS_CLOSED = Row(
        RefusalReason.GPU_CLOSED,
        "In pool '{pool}' {closed_gpus} closed to new slices: {why_closed}. Try again later.",
        ("closed_gpus",),
    )
    LARGER_THAN_GPU = Row(
        RefusalReason.LARGER_THAN_GPU,
        "{asked} is more than one GPU of pool '{pool}' can give: at most {largest} on {gpu_type}. "
        "Ask for less.",
        ("asked", "largest"),
    )
    MEMORY_KEPT_FOR_OTHERS = Row(
        RefusalReason.NO_ROOM,
        "Pool '{pool}' has {free_mib} of memory left, of which {kept_mib} is guaranteed to "
        f"others: {{asked_mib}} more does not fit. {_STOPPED_OR_SMALLER}",
        ("asked_mib", "free_mib", "kept_mib"),
    )
    COMPUTE_KEPT_FOR_OTHERS = Row(
        RefusalReason.NO_ROOM,
        "Pool '{pool}' has {free_milli} of compute left, of which {kept_milli} is guaranteed to "
        f"others: {{asked_milli}} more does not fit. {_STOPPED_OR_SMALLER}",
        ("asked_milli", "free_milli", "kept_milli"),
    )
    NO_ROOM = Row(RefusalReason.NO_ROOM, f"No {_FREE} {_STOPPED_OR_SMALLER}", ("asked", "free"))
    NO_ROOM_AT_HOME = Row(
        RefusalReason.NO_ROOM,
        f"{_FILES_IN_USE} no {_FREE} {_ENDED_OR_SMALLER}",
        ("asked", "free"),
    )
    NO_OPEN_GPU_AT_HOME = Row(
        RefusalReason.NO_ROOM,
        f"{_FILES_IN_USE} no GPU of pool '{{pool}}' takes new slices now. {_ENDED_OR_SMALLER}",
        ("asked", "free"),
    )
    GPU_LEFT_POOL = Row(
        RefusalReason.NO_GPU,
        "Your slice's GPU belongs to its pool no more. Start your server again.",
    )
    BELOW_HELD = Row(
        RefusalReason.BELOW_HELD,
        "Your processes hold {held_mib}, more than {asked_mib}. Free some, or restart a kernel, "
        "and try again.",
        ("asked_mib", "held_mib"),
    )
    HELD_UNKNOWN = Row(
        RefusalReason.BELOW_HELD,
        "Your GPU does not tell how much your processes hold, and that may be more than "
        "{asked_mib}. Your slice cannot be made smaller: ask your admin.",
        ("asked_mib",),
    )
    NO_ROOM_TO_GROW = Row(
        RefusalReason.NO_ROOM,
        "Your GPU has no room for {asked}: a slice there can have {free} now. Ask for less, or "
        "start your server again with the larger size, to get it on another GPU.",
        ("asked", "free"),
    )
