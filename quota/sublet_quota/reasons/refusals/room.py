"""Refusals for want of a GPU, or of room on one."""

from enum import unique
from typing import Final

from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.reasons.refusals.refuse import RefusalCode, Row

_FREE: Final = "has room for {asked} now: the one with the most free memory has {free}."
_FILES_IN_USE: Final = (
    "Your files are in use on node '{node}', by {home_user}, and only one node at a time can have "
    "them. There"
)
_NODE_SHORT: Final = (
    "A GPU of pool '{pool}' has room for {asked}, but its node has none for your server: that takes"
)
_ENOUGH_ELSEWHERE: Final = "Where a node has enough, no GPU has room."
_HELP: Final = "{waits_for} {helps}"


@unique
class RoomRefusal(RefusalCode):
    """Why no GPU can have a slice, or a GPU no larger one. ``holder`` is whom it is charged to."""

    NO_GPU = Row(RefusalReason.NO_GPU, "Pool '{pool}' has no GPU now. {helps}")
    NO_GPU_OF_TYPE = Row(
        RefusalReason.NO_GPU,
        "Pool '{pool}' has no GPU of type {asked_type} now. There are: {types}. {helps}",
    )
    UNKNOWN_TYPE = Row(
        RefusalReason.NO_GPU,
        "There is no GPU type {asked_type}{nearest}. Ask for one of: {types}.",
    )
    """What was asked for is no type of the document, and no model of any card."""
    NO_GPU_FOR_SIZE = Row(
        RefusalReason.NO_GPU,
        "Size '{size}' is had on {size_types} alone, and pool '{pool}' has none of them now. There "
        "are: {types}. {helps}",
    )
    GPUS_CLOSED = Row(
        RefusalReason.GPU_CLOSED,
        "In pool '{pool}' {closed_gpus} closed to new slices: {why_closed}. {helps}",
        ("closed_gpus",),
    )
    LARGER_THAN_GPU = Row(
        RefusalReason.LARGER_THAN_GPU,
        "{asked} is more than one GPU of pool '{pool}' can give: at most {largest} on {gpu_type}. "
        "{helps}",
        ("asked", "largest"),
    )
    NO_ROOM = Row(
        RefusalReason.NO_ROOM,
        f"No GPU of pool '{{pool}}' {_FREE} {{holder}} {{held_cards}} of {{gpu_type}}, and a "
        f"share of {{share_cards}}.{_HELP}",
        ("asked", "free", "held_cards", "share_cards"),
    )
    """Nothing is free, and what may be taken for the share is too little."""
    NO_ROOM_ALONE = Row(
        RefusalReason.NO_ROOM,
        "A server that can never make room goes where all fit together, on a GPU that is "
        f"guaranteed to nobody. No such GPU {_FREE}"
        f"{_HELP}",
        ("asked", "free"),
    )
    """The wish can never be suspended, and is not entitled."""
    NO_HOST_MEMORY = Row(
        RefusalReason.NO_ROOM,
        "What you would borrow must be able to make way, with {asked_mib} in host memory. Node "
        "'{node}', where a GPU has room, has {host_free_mib} of {host_mib} left for that, beside "
        f"what guarantees, other borrowed slices and jobs may need there.{_HELP}",
        ("asked_mib", "host_free_mib", "host_mib"),
    )
    """The wish is not entitled, and could not be suspended with its whole cap."""
    NO_NODE_CPU = Row(
        RefusalReason.NO_ROOM,
        f"{_NODE_SHORT} {{takes_cpu_milli}}, and '{{node}}' has {{node_cpu_milli}} left. "
        f"{_ENOUGH_ELSEWHERE}{_HELP}",
        ("asked", "takes_cpu_milli", "node_cpu_milli"),
    )
    """There is room on cards alone: their nodes have too little CPU left."""
    NO_NODE_MEMORY = Row(
        RefusalReason.NO_ROOM,
        f"{_NODE_SHORT} {{takes_mib}} of its memory, and '{{node}}' has {{node_mib}} left. "
        f"{_ENOUGH_ELSEWHERE}{_HELP}",
        ("asked", "takes_mib", "node_mib"),
    )
    """The same, of memory."""
    KEPT_FOR_OTHERS = Row(
        RefusalReason.NO_ROOM,
        "There is room, on a GPU that is kept for who comes before in line.",
    )
    """The wish waits in line."""
    BORROWS_NO_MORE = Row(
        RefusalReason.NO_ROOM,
        "'{owner}' has a borrowed slice that has to make way and cannot: they borrow no more until "
        "it can. {helps}",
    )
    GUARANTEE_IN_THE_WAY = Row(
        RefusalReason.NO_ROOM,
        "Group '{group}' is guaranteed {guaranteed_cards} of {gpu_type}, but on the GPUs of that "
        f"guarantee stands what cannot make way: {{asked}} does not fit there.{_HELP}",
        ("asked", "guaranteed_cards"),
    )
    NO_ROOM_AT_HOME = Row(
        RefusalReason.NO_ROOM,
        f"{_FILES_IN_USE} no GPU of pool '{{pool}}' {_FREE}{_HELP}",
        ("asked", "free"),
    )
    NO_OPEN_GPU_AT_HOME = Row(
        RefusalReason.NO_ROOM,
        f"{_FILES_IN_USE} no GPU of pool '{{pool}}' takes new slices now. {{helps}}",
        ("asked", "free"),
    )
    GPU_GONE = Row(
        RefusalReason.NO_GPU,
        "Your slice's GPU can have no other slices now. {helps}",
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
        f"Your GPU has no room for {{asked}}: a slice there can have {{free}} now.{_HELP}",
        ("asked", "free"),
    )


SHORT_ON_NODE: Final = frozenset(
    {RoomRefusal.NO_HOST_MEMORY, RoomRefusal.NO_NODE_CPU, RoomRefusal.NO_NODE_MEMORY}
)
"""A node has too little for all its cards together."""
