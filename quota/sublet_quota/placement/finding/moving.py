"""Room that is there in sum, but in pieces: slices move to other cards of their node.

Nobody loses room by it: each finds as much on another card as they have now. The fewest bytes move.
Borrowed slices do, and where these are not enough, entitled ones whose owners are idle: only to a
card that is laid out for their group just the same, so that no guarantee is worth less for it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.room_index import NO_NODES, RoomIndex
from sublet_quota.names.ids import GpuId, NodeId, PoolName, SliceId
from sublet_quota.placement.finding.making_way import Missing, missing_on
from sublet_quota.placement.finding.question import Question
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.lots import lot_of

Move = tuple[Holding, GpuId]
Moves = tuple[tuple[SliceId, GpuId], ...]
"""Slices, with the card of the same node that each finds room on."""


@dataclass(frozen=True, slots=True)
class MovedPlace:
    """A card that fits once slices on it have moved."""

    option: Option
    gpu_id: GpuId
    moves: Moves
    calls_back: tuple[SliceId, ...]
    """Those of them that are borrowed: on the card that they leave they have lost their place."""
    moved_mib: int
    entitled_mib: int
    """How much of that is entitled slices'."""


def find_by_moving(question: Question, options: tuple[Option, ...]) -> MovedPlace | None:
    """Return the card on which the fewest bytes have to move for an option, or ``None``.

    Entitled slices stay where moving borrowed ones is enough for any option.
    """
    if question.wish.never_suspended:
        return None
    with_idle: MovedPlace | None = None
    for option in options:
        found = list(_by_moving(question, option, with_idle=with_idle is None))
        if found:
            best = min(found, key=_least_moved)
            if not best.entitled_mib:
                return best
            with_idle = best
    return with_idle


def _least_moved(place: MovedPlace) -> tuple[int, int, int, GpuId]:
    return place.entitled_mib, place.moved_mib, len(place.moves), place.gpu_id


def _by_moving(question: Question, option: Option, *, with_idle: bool) -> Iterator[MovedPlace]:
    """Yield the cards that fit once slices have moved; idle ones until a card needs none."""
    holdings, amount = question.holdings, option.asked.amount
    if question.is_short_everywhere(option):
        return
    for pool in question.pools(option):
        index = question.index(pool, option)
        kind, short = option.asked.kind, question.nodes_short_for(option)
        on_node = {} if index is None else free_on_nodes(question, pool, kind, index, short)
        enough = {node for node, free in on_node.items() if _is_enough(free, amount)}
        if index is None or not enough:
            continue
        for gpu_id in index.by_room(not_on=short):
            room, facts = index.rooms[gpu_id], holdings.gpu(gpu_id)
            if facts is None or facts.node not in enough or not question.may_have(facts, option):
                continue
            missing = missing_on(holdings, facts, room, amount, alone=False)
            if missing is None or facts.pause_only:
                continue
            borrowed, idle = movable_on(holdings, gpu_id)
            rooms = on_node[facts.node]
            moves = until_enough(holdings, borrowed, missing, rooms, gpu_id)
            if moves is not None:
                with_idle = False
            elif with_idle and idle:
                moves = until_enough(holdings, [*borrowed, *idle], missing, rooms, gpu_id)
            if moves is not None:
                yield _place(holdings, option, gpu_id, moves)


def movable_on(holdings: Holdings, gpu_id: GpuId) -> tuple[list[Holding], list[Holding]]:
    """Return the slices that may leave a card: borrowed ones, and idle entitled ones."""
    borrowed: list[Holding] = []
    idle: list[Holding] = []
    for one in holdings.slices_on(gpu_id):
        if _is_borrowed(holdings, one):
            borrowed.append(one)
        elif one.slice_id in holdings.idle and _is_entitled(holdings, one):
            idle.append(one)
    return borrowed, idle


def until_enough(
    holdings: Holdings,
    movable: list[Holding],
    missing: Missing,
    rooms: Mapping[GpuId, GpuAmount],
    leaves: GpuId,
) -> list[Move] | None:
    """Return which slices go where so that nothing is missing on the card they leave, or ``None``.

    ``rooms``: what is free on the cards of the node.
    """
    most = sum((one.amount for one in movable), NOTHING)
    if not missing.without(most).is_nothing:
        return None
    beside = {gpu_id: room for gpu_id, room in rooms.items() if gpu_id != leaves}
    return _Leaving(holdings, movable, beside).until_enough(missing)


def _place(holdings: Holdings, option: Option, gpu_id: GpuId, moves: list[Move]) -> MovedPlace:
    entitled = [one for one, _ in moves if not _is_borrowed(holdings, one)]
    entitled_mib = sum(one.amount.memory_mib for one in entitled)
    return MovedPlace(
        option,
        gpu_id,
        moves=tuple((one.slice_id, to) for one, to in moves),
        calls_back=tuple(one.slice_id for one, _ in moves if one not in entitled),
        moved_mib=sum(one.amount.memory_mib for one, _ in moves),
        entitled_mib=entitled_mib,
    )


def free_on_nodes(
    question: Question,
    pool: PoolName,
    kind: GpuKind,
    index: RoomIndex,
    not_on: AbstractSet[NodeId] = NO_NODES,
) -> Mapping[NodeId, Mapping[GpuId, GpuAmount]]:
    """Return the cards with free room, by node.

    ``not_on``: other nodes than those that are short of host memory for a slice.
    """
    # For a larger slice the same nodes are short, and more.
    known, key = question.seen.free_on, (pool, kind, len(not_on))
    if key not in known:
        found: defaultdict[NodeId, dict[GpuId, GpuAmount]] = defaultdict(dict)
        for gpu_id in index.by_room(not_on=not_on):
            room, facts = index.rooms[gpu_id], question.holdings.gpu(gpu_id)
            if room.shared_mib <= 0:
                break
            is_kept = gpu_id in question.kept or gpu_id in question.holdings.kept_cards
            if facts is not None and not facts.pause_only and not is_kept:
                found[facts.node][gpu_id] = room.free(shared=True)
        known[key] = found
    return known[key]


def _is_enough(free: Mapping[GpuId, GpuAmount], amount: GpuAmount) -> bool:
    """Whether the room on a node is enough in sum."""
    memory_mib = sum(room.memory_mib for room in free.values())
    compute_milli = sum(room.compute_milli for room in free.values())
    return amount.fits_in(GpuAmount(memory_mib, compute_milli))


class _Leaving:
    """The slices of a card that leave it for others of its node, one after another."""

    def __init__(
        self, holdings: Holdings, movable: list[Holding], rooms: dict[GpuId, GpuAmount]
    ) -> None:
        """``rooms``: what is free on the other cards; it becomes less."""
        self._holdings = holdings
        self._movable = list(movable)
        self._rooms = rooms
        self._entitled: defaultdict[GpuId, GpuAmount] = defaultdict(lambda: NOTHING)
        """What entitled slices bring to each of the other cards."""

    def until_enough(self, missing: Missing) -> list[Move] | None:
        """Return which slices go where so that nothing is missing, or ``None``."""
        moves: list[Move] = []
        while not missing.is_nothing:
            step = self._next(missing)
            if step is None:
                return None
            holding, gpu_id = step
            self._movable.remove(holding)
            self._rooms[gpu_id] -= holding.amount
            if not _is_borrowed(self._holdings, holding):
                self._entitled[gpu_id] += holding.amount
            missing = missing.without(holding.amount)
            moves.append(step)
        return self._needed(moves, missing)

    def _needed(self, moves: list[Move], missing: Missing) -> list[Move]:
        """Return the moves without those that the later ones have made needless."""
        needed: list[Move] = []
        for move in sorted(moves, key=self._weight, reverse=True):
            without = missing.with_more(move[0].amount)
            if without.is_nothing:
                missing = without
            else:
                needed.append(move)
        return needed

    def _weight(self, move: Move) -> tuple[bool, int, int]:
        """Return what speaks against a move: entitled ones stay, and then the largest."""
        one = move[0]
        is_entitled = not _is_borrowed(self._holdings, one)
        return is_entitled, one.amount.memory_mib, lot_of(one.slice_id)

    def _next(self, missing: Missing) -> Move | None:
        """Return one that is enough with the fewest bytes, else the largest; each to the best fit.

        Who borrows goes first. The best fit is a card that is laid out for no others, if there is
        one.
        """
        possible = [
            (one, min(fitting)[2])
            for one in self._movable
            if (
                fitting := [
                    (is_of_others(self._holdings, one, gpu_id), room.memory_mib, gpu_id)
                    for gpu_id, room in self._rooms.items()
                    if one.amount.fits_in(room) and self._keeps_its_right(one, gpu_id)
                ]
            )
        ]
        enough = [each for each in possible if missing.without(each[0].amount).is_nothing]
        if enough:
            return min(enough, key=self._weight)
        return min(possible, key=self._largest_first, default=None)

    def _largest_first(self, move: Move) -> tuple[bool, int, int]:
        is_entitled, memory_mib, lot = self._weight(move)
        return is_entitled, -memory_mib, lot

    def _keeps_its_right(self, holding: Holding, gpu_id: GpuId) -> bool:
        """Whether a slice is entitled on another card just the same; what is borrowed never is."""
        holdings = self._holdings
        if _is_borrowed(holdings, holding):
            return True
        leaf = holdings.leaf_for(holding.group, holding.owner)
        amount = holding.amount + self._entitled[gpu_id]
        return (
            bool(holdings.layout(holdings.type_of(gpu_id) or "").part_for(gpu_id, leaf))
            and amount.fits_in(holdings.room_for_entitled(gpu_id, leaf))
            and holdings.has_place(gpu_id, leaf, amount)
        )


def _is_borrowed(holdings: Holdings, holding: Holding) -> bool:
    return _can_leave(holdings, holding) and holdings.rank(holding.slice_id) is Rank.BORROWED


def _is_entitled(holdings: Holdings, holding: Holding) -> bool:
    is_entitled = holding.is_notebook and holdings.rank(holding.slice_id) is Rank.ENTITLED
    return is_entitled and _can_leave(holdings, holding)


def _can_leave(holdings: Holdings, holding: Holding) -> bool:
    piece = holdings.piece(holding.slice_id)
    return piece is not None and piece.suspendable and not holding.called_back


def is_of_others(holdings: Holdings, holding: Holding, gpu_id: GpuId) -> bool:
    """Whether a card is laid out for groups that do not pay for a slice."""
    layout = holdings.layout(holdings.type_of(gpu_id) or "")
    leaf = holdings.leaf_for(holding.group, holding.owner)
    return not layout.is_free(gpu_id) and not layout.part_for(gpu_id, leaf)


def entitled_on(holdings: Holdings, gpu_id: GpuId) -> GpuAmount:
    """Return what is entitled on a card, whoever is guaranteed it."""
    return sum(
        (
            each.amount
            for each in holdings.slices_on(gpu_id)
            if each.is_notebook and holdings.is_entitled(each.slice_id)
        ),
        NOTHING,
    )
