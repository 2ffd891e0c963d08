"""The placement of an admitted slice: best fit, so that large slices still find room.

First a GPU on which all slices fit together, the tightest; only where there is none a GPU that is
overcommitted then, again the tightest: nobody takes turns while another GPU has room. Of equally
tight ones the first by node and index. Later issues refine what "tightest" means; who may have what
is admission's question and stays there.
"""

from dataclasses import dataclass
from functools import partial

from sublet_quota.admission.slice_admission import Admitted, AdmittedKind, admit
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts, GpuRoom
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.room_index import Entry, RoomIndex
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import GpuId, GroupName, NodeId, PoolName, SizeName, SliceId, UserName
from sublet_quota.reasons.derivation import Derivation
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.residency.snapshot import Rank

_Choice = tuple[GpuFacts, GpuRoom, AdmittedKind]


@dataclass(frozen=True, slots=True)
class Placement:
    """A slice has its place: what it is, where, who pays, and what follows for others.

    The hub keeps all of it with the slice (``Holding``), and does what it says of others before
    the slice is handed out.
    """

    owner: UserName
    gpu_id: GpuId
    gpu_type: str
    pool: PoolName
    """The pool that was asked for; the GPU is in another where that lends, or where its type is
    guaranteed.
    """
    size: SizeName | None
    amount: GpuAmount
    group: GroupName | None
    """Who pays; ``None``: no group."""
    named: bool
    """Whether the owner named the group, so that the slice is never charged to another."""
    member_of: tuple[GroupName, ...]
    """The groups of the document of which the owner is a member: those that could pay instead."""
    rank: Rank
    """How the slice stands as it is handed out."""
    why: Derivation
    calls_back: tuple[SliceId, ...] = ()
    """Borrowed slices that lose their place on the GPU: to be kept as ``called_back``."""
    recharged: tuple[tuple[SliceId, GroupName], ...] = ()
    """Slices of others that another of their groups pays for from now on, to let this one in."""


def decide_slice(holdings: Holdings, wish: RequestedSlice) -> Placement | Refusal:
    """Return the place of a slice that is admitted, or why it has none."""
    admitted = admit(holdings, wish)
    if isinstance(admitted, Refusal):
        return admitted
    if wish.home is not None:
        return place_at_home(holdings, admitted, wish.home, alone=wish.never_suspended)
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
            return _placement(admitted, option, entry[4])
    return _no_room(holdings, admitted, alone=alone)


def place_at_home(
    holdings: Holdings, admitted: Admitted, home: HomeInUse, *, alone: bool = False
) -> Placement | Refusal:
    """Return the best GPU of the one node that can have the owner's files now, or why none."""
    options = {option.kind: option for option in admitted.kinds}
    there: list[_Choice] = [
        (gpu, room, options[gpu.kind])
        for gpu in holdings.gpus()
        if gpu.node == home.node and gpu.closed is None and gpu.kind in options
        if holdings.pool_of(gpu.gpu_id) == admitted.pool
        if (room := holdings.room(gpu.gpu_id)) is not None
    ]
    for shared in (False,) if alone else (False, True):
        fitting = [each for each in there if each[2].amount.fits_in(each[1].free(shared=shared))]
        if fitting:
            gpu, _, option = min(fitting, key=partial(_tightness, shared=shared))
            return _placement(admitted, option, gpu.gpu_id)
    return _no_room_at_home(admitted, home, [room.free(shared=not alone) for _, room, _ in there])


def _tightness(choice: _Choice, *, shared: bool) -> tuple[int, int, int, int, GpuId]:
    """Return the key by which ``place`` orders what it finds, the best first."""
    gpu, room, option = choice
    memory_mib = room.shared_mib if shared else room.alone_mib
    compute_milli = room.shared_milli if shared else room.alone_milli
    left_mib = memory_mib - option.amount.memory_mib
    return left_mib, memory_mib, compute_milli, gpu.index, gpu.gpu_id


def _placement(admitted: Admitted, option: AdmittedKind, gpu_id: GpuId) -> Placement:
    return Placement(
        owner=admitted.owner,
        gpu_id=gpu_id,
        pool=admitted.pool,
        size=admitted.size,
        amount=option.amount,
        groups=option.groups,
    )


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


def _no_room_at_home(admitted: Admitted, home: HomeInUse, rooms: list[GpuAmount]) -> Refusal:
    asked = admitted.kinds[0].amount
    most = max(rooms, key=lambda r: (r.memory_mib, r.compute_milli), default=NOTHING)
    return refuse(
        RoomRefusal.NO_ROOM_AT_HOME if rooms else RoomRefusal.NO_OPEN_GPU_AT_HOME,
        node=home.node,
        home_user=home.by,
        pool=admitted.pool,
        asked=asked,
        free=most,
    )


def _no_room(holdings: Holdings, admitted: Admitted, *, alone: bool) -> Refusal:
    indices = holdings.kinds_in(admitted.pool)
    most_room = RoomIndex.most_alone if alone else RoomIndex.most_room
    rooms = [(option, most_room(indices[option.kind])) for option in admitted.kinds]
    option, most = max(
        ((option, room) for option, room in rooms if room is not None),
        key=lambda pair: (pair[1].memory_mib, pair[1].compute_milli),
    )
    return refuse(RoomRefusal.NO_ROOM, pool=admitted.pool, asked=option.amount, free=most)
