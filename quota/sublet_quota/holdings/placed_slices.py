"""The slices by the card where each lies, and what is promised there."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, KeysView, Mapping, Sequence

from sublet_quota.holdings.card_rooms import CardRooms
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.names.ids import GpuId, GroupName, PoolName, SliceId, UserName

Turn = tuple[float, int, SliceId]
"""What the newest slice has the least of: its age turned round, and its id."""


class PlacedSlices:
    """All slices; the load of each card follows them."""

    def __init__(self, rooms: CardRooms) -> None:
        self._rooms = rooms
        self._slices: dict[SliceId, Holding] = {}
        self._on_gpu: defaultdict[GpuId, set[SliceId]] = defaultdict(set)
        self._of_owner: defaultdict[UserName, set[SliceId]] = defaultdict(set)
        self._abroad: defaultdict[PoolName, set[SliceId]] = defaultdict(set)
        self._of_payer: defaultdict[GroupName | None, set[SliceId]] = defaultdict(set)
        self._rechargeable: defaultdict[GroupName | None, list[Turn]] = defaultdict(list)
        self._called_back: set[SliceId] = set()
        self._held_back: set[SliceId] = set()

    @property
    def all(self) -> Mapping[SliceId, Holding]:
        """Every slice by its id."""
        return self._slices

    def lay(self, holding: Holding) -> None:
        """Enter a slice that is not there yet."""
        gpu_id = holding.gpu_id
        self._slices[holding.slice_id] = holding
        self._on_gpu[gpu_id].add(holding.slice_id)
        self._of_owner[holding.owner].add(holding.slice_id)
        self._rooms.set_load(gpu_id, self._rooms.load(gpu_id).plus(holding))
        self._note_pool(holding)
        if holding.called_back:
            self._called_back.add(holding.slice_id)
        if holding.held_back:
            self._held_back.add(holding.slice_id)
        self._of_payer[holding.group].add(holding.slice_id)
        if _is_rechargeable(holding):
            insort(self._rechargeable[holding.group], _turn(holding))

    def lift(self, holding: Holding) -> None:
        """Take a slice out."""
        gpu_id = holding.gpu_id
        del self._slices[holding.slice_id]
        self._abroad[holding.pool].discard(holding.slice_id)
        self._of_owner[holding.owner].discard(holding.slice_id)
        if not self._of_owner[holding.owner]:
            del self._of_owner[holding.owner]
        self._on_gpu[gpu_id].discard(holding.slice_id)
        if not self._on_gpu[gpu_id]:
            del self._on_gpu[gpu_id]
        self._rooms.set_load(gpu_id, self._rooms.load(gpu_id).minus(holding))
        self._called_back.discard(holding.slice_id)
        self._held_back.discard(holding.slice_id)
        self._of_payer[holding.group].discard(holding.slice_id)
        if not self._of_payer[holding.group]:
            del self._of_payer[holding.group]
        if _is_rechargeable(holding):
            turns = self._rechargeable[holding.group]
            del turns[bisect_left(turns, _turn(holding))]

    def on(self, gpu_id: GpuId) -> tuple[Holding, ...]:
        """Return the slices on a card, by id."""
        return tuple(self._slices[s] for s in sorted(self._on_gpu.get(gpu_id, ())))

    def of(self, owner: UserName) -> tuple[Holding, ...]:
        """Return the slices of a person, by id."""
        return tuple(self._slices[s] for s in sorted(self._of_owner.get(owner, ())))

    def of_payer(self, group: GroupName | None) -> Iterator[Holding]:
        """Yield the slices that a group pays for, jobs' too, in no order."""
        return (self._slices[s] for s in self._of_payer.get(group, ()))

    def payers(self) -> KeysView[GroupName | None]:
        """Return who pays for slices; ``None``: no group."""
        return self._of_payer.keys()

    def rechargeable(self, group: GroupName | None) -> Sequence[Turn]:
        """Return what another group could pay for instead of this one, the newest first."""
        return self._rechargeable.get(group, ())

    def called_back(self) -> Iterator[Holding]:
        """Yield the slices that lost their place, in no order."""
        return (self._slices[s] for s in self._called_back)

    def held_back(self) -> Iterator[Holding]:
        """Yield the jobs' slices that stand still below a limit, in no order."""
        return (self._slices[s] for s in self._held_back)

    def card_changed(self, gpu_id: GpuId) -> None:
        """Note that a card may belong to another pool."""
        for holding in self.on(gpu_id):
            self._note_pool(holding)

    def abroad(self, pool: PoolName) -> Iterator[tuple[Holding, PoolName]]:
        """Yield a pool's slices that lie on cards of another, with that."""
        for slice_id in self._abroad.get(pool, ()):
            holding = self._slices[slice_id]
            card = self._rooms.card(holding.gpu_id)
            if card is not None and card.pool is not None and card.pool != pool:
                yield holding, card.pool

    def _note_pool(self, holding: Holding) -> None:
        card = self._rooms.card(holding.gpu_id)
        if card is not None and card.pool not in {None, holding.pool}:
            self._abroad[holding.pool].add(holding.slice_id)
        else:
            self._abroad[holding.pool].discard(holding.slice_id)


def _is_rechargeable(holding: Holding) -> bool:
    """Whether its owner is in several groups, and named none."""
    return holding.is_notebook and not holding.named and len(holding.member_of) > 1


def _turn(holding: Holding) -> Turn:
    since, lot = holding.age
    return -since.timestamp(), lot, holding.slice_id
