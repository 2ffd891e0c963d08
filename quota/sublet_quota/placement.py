"""Which GPU an admitted slice goes to: best fit, so that large slices still find room.

First a GPU on which all slices fit together, the tightest; only where there is none a GPU that
is overcommitted then, again the tightest: nobody takes turns while another GPU has room.
Of equally tight ones the first by node and index. Later issues refine what "tightest" means;
who may have what is admission's question and stays there.
"""

from dataclasses import dataclass

from sublet_quota.admission import Admitted, AdmittedKind, admit
from sublet_quota.amounts import GpuAmount
from sublet_quota.gpu_load import GpuFacts
from sublet_quota.holdings import Holdings
from sublet_quota.ids import GpuId, GroupName, NodeId, PoolName, SizeName, SliceId, UserName
from sublet_quota.refusal import Refusal, RefusalReason
from sublet_quota.room_index import Entry, RoomIndex
from sublet_quota.wish import SliceWish


@dataclass(frozen=True, slots=True)
class Placement:
    """A slice has its place: what it is, where, and on whose account."""

    owner: UserName
    gpu_id: GpuId
    pool: PoolName
    size: SizeName | None
    amount: GpuAmount
    groups: tuple[GroupName, ...]
    """On whose account it is: keep these with the slice (``Holding.groups``)."""


def decide_slice(holdings: Holdings, wish: SliceWish) -> Placement | Refusal:
    """Admit and place a slice, or say why not."""
    admitted = admit(holdings, wish)
    if isinstance(admitted, Refusal):
        return admitted
    return place(holdings, admitted, alone=wish.never_suspended)


def place(holdings: Holdings, admitted: Admitted, *, alone: bool = False) -> Placement | Refusal:
    """Return the best GPU for an admitted slice, or that none has room.

    ``alone``: only where all slices fit together.
    """
    indices = holdings.kinds_in(admitted.pool)
    ways = (RoomIndex.best_alone,) if alone else (RoomIndex.best_alone, RoomIndex.best_shared)
    for find_best in ways:
        found: list[tuple[int, Entry, AdmittedKind]] = []
        for option in admitted.kinds:
            entry = find_best(indices[option.kind], option.amount)
            if entry is not None:
                found.append((entry[0] - option.amount.memory_mib, entry, option))
        if found:
            _, entry, option = min(found, key=lambda item: item[:2])
            return Placement(
                owner=admitted.owner,
                gpu_id=entry[4],
                pool=admitted.pool,
                size=admitted.size,
                amount=option.amount,
                groups=option.groups,
            )
    return _no_room(holdings, admitted, alone=alone)


def gpu_on_node(holdings: Holdings, slice_id: SliceId, node: NodeId) -> GpuId | None:
    """Return the likeliest GPU of a slice that the cluster's scheduler put on ``node``.

    The scheduler does not say which card: until the node's agent has seen the slice's processes,
    it counts where it fits best. Nothing for an unknown slice, or a node without known GPUs.
    """
    holding = holdings.slice(slice_id)
    facts = [gpu for gpu in holdings.gpus() if gpu.node == node]
    if holding is None or not facts:
        return None
    if any(gpu.gpu_id == holding.gpu_id for gpu in facts):
        return holding.gpu_id

    def rank(gpu: GpuFacts) -> tuple[bool, bool, bool, bool, int, int]:
        room = holdings.room(gpu.gpu_id)
        alone = 0 if room is None else room.alone_mib - holding.amount.memory_mib
        shared = 0 if room is None else room.shared_mib - holding.amount.memory_mib
        return (
            holdings.pool_of(gpu.gpu_id) != holding.pool,
            gpu.closed is not None,
            alone < 0,
            shared < 0,
            alone if alone >= 0 else -shared,
            gpu.index,
        )

    return min(facts, key=rank).gpu_id


def _no_room(holdings: Holdings, admitted: Admitted, *, alone: bool) -> Refusal:
    indices = holdings.kinds_in(admitted.pool)
    most_room = RoomIndex.most_alone if alone else RoomIndex.most_room
    rooms = [(option, most_room(indices[option.kind])) for option in admitted.kinds]
    option, most = max(
        ((option, room) for option, room in rooms if room is not None),
        key=lambda pair: (pair[1].memory_mib, pair[1].compute_milli),
    )
    asked = option.amount
    return Refusal(
        RefusalReason.NO_ROOM,
        f"No GPU of pool '{admitted.pool}' has room for {asked} now: the one with the most free "
        f"memory has {most}. Pick a smaller size, or wait until somebody stops a server.",
        {
            "asked_mib": asked.memory_mib,
            "asked_milli": asked.compute_milli,
            "free_mib": most.memory_mib,
            "free_milli": most.compute_milli,
        },
    )
