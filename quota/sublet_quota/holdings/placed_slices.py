"""The slices by the card where each lies, and what is promised there."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, KeysView, Mapping, Sequence
from datetime import datetime

from sublet_quota.holdings.card_rooms import CardRooms
from sublet_quota.holdings.gpu_load import LONG_AGO, Holding
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
        self._at_rest: dict[SliceId, datetime] = {}
        self._rest_of_card: dict[GpuId, datetime | None] = {}
        """What was found since anything changed on each card last."""

    @property
    def all(self) -> Mapping[SliceId, Holding]:
        """Every slice by its id."""
        return self._slices

    def lay(self, holding: Holding) -> None:
        """Enter a slice that is not there yet."""
        gpu_id = holding.gpu_id
        self._rest_of_card.pop(gpu_id, None)
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
        self._rest_of_card.pop(gpu_id, None)
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

    @property
    def at_rest(self) -> Mapping[SliceId, datetime]:
        """Since when owners leave their slices alone; who is not in it is at work, or unknown."""
        return self._at_rest

    def note_rest(self, slice_id: SliceId, since: datetime | None) -> None:
        """Note since when a slice's owner leaves it alone; ``None``: the owner is at work."""
        if self._at_rest.get(slice_id) == since:
            return
        if since is None:
            del self._at_rest[slice_id]
        else:
            self._at_rest[slice_id] = since
        if slice_id in self._slices:
            self._rest_of_card.pop(self._slices[slice_id].gpu_id, None)

    def rest_of(self, gpu_id: GpuId) -> datetime | None:
        """Return since when no owner of a card is at work: long ago where it is nobody's.

        ``None``: one is at work.
        """
        if gpu_id not in self._on_gpu:
            return LONG_AGO
        if gpu_id not in self._rest_of_card:
            there = (self._slices[slice_id] for slice_id in self._on_gpu[gpu_id])
            rests = [self._at_rest.get(one.slice_id) for one in there if one.is_notebook]
            known = [since for since in rests if since is not None]
            at_rest = len(known) == len(rests)
            self._rest_of_card[gpu_id] = max(known, default=LONG_AGO) if at_rest else None
        return self._rest_of_card[gpu_id]

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
