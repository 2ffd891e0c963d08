"""Whether a wish would surely be granted if some slices were gone, without trying it.

Counted are limits and room alone: that a guarantee becomes free, or that others could make way
then, is not counted on. Who was called back has their place again first.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sublet_quota.admission.met_limits import Without, beyond, group_bounds, person_bounds
from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import NOTHING
from sublet_quota.holdings.gpu_load import GpuFacts, GpuRoom, Holding, room_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, NodeId
from sublet_quota.placement.finding.free_room import find_free
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.refusing.no_room import borrows_no_more
from sublet_quota.residency.snapshot import Rank


@dataclass(frozen=True, slots=True)
class _Departure:
    """Slices that are gone: what is held then, and the room on the cards where they were."""

    world: Without
    on_card: dict[GpuId, list[Holding]]
    rooms: dict[GpuId, GpuRoom | None] = field(default_factory=dict)
    freed_mib: dict[NodeId, int] = field(default_factory=dict)
    """By node: the host memory that they leave, once that was asked for."""

    @classmethod
    def of(cls, holdings: Holdings, gone: Iterable[Holding]) -> "_Departure":
        """Return what these take with them."""
        slices = tuple(gone)
        on_card: defaultdict[GpuId, list[Holding]] = defaultdict(list)
        for holding in slices:
            on_card[holding.gpu_id].append(holding)
        return cls(Without(holdings, gone=slices), dict(on_card))

    def room(self, gpu_id: GpuId) -> GpuRoom | None:
        """Return the room on a card where they were; ``None``: unknown, or in no pool."""
        if gpu_id not in self.rooms:
            gone = self.on_card.get(gpu_id, ())
            self.rooms[gpu_id] = _room_without(self.world.holdings, gpu_id, gone)
        return self.rooms[gpu_id]

    def host_mib(self, node: NodeId) -> int:
        """Return the host memory of a node that is needed for them no more."""
        if node not in self.freed_mib:
            holdings = self.world.holdings
            there = (self.on_card.get(card.gpu_id, ()) for card in holdings.gpus_on(node))
            freed = (holdings.host_memory.freed_by(one) for here in there for one in here)
            self.freed_mib[node] = sum(freed)
        return self.freed_mib[node]


class WithoutSlices:
    """A refused wish, and what would be if slices were gone."""

    def __init__(self, question: Question) -> None:
        admission = question.admission
        self.options = admission.within_rights
        """What limits and room are asked for."""
        self._question = question
        self._anywhere = replace(question, any_host=True)
        """The same, whatever host memory there is: that is looked at apart."""
        self._rights = admission.rights
        self._free: dict[Option, bool] = {}

    def is_granted(self, gone: Sequence[Holding]) -> bool:
        """Whether the wish would be granted without these slices."""
        return self._is_granted(_Departure.of(self._question.holdings, gone))

    def is_granted_without_members(self, group: GroupName) -> bool:
        """Whether it would be without those of others that a group pays for, where there are any.

        The answer for a group is asked for with each size: what is gone is added up once.
        """
        known, holdings = self._question.seen.departures, self._question.holdings
        besides = group, self._question.wish.owner
        if besides not in known:
            members = holdings.paid_by(group)
            known[besides] = _Departure.of(holdings, filter(self._is_others, members))
        departure: _Departure = known[besides]
        return bool(departure.world.gone) and self._is_granted(departure)

    def is_granted_alone(self, own: Sequence[Holding]) -> bool:
        """Whether the wish would be granted if only these of the owner's were left.

        Not where nobody else has anything.
        """
        if not any(map(self._is_others, self._question.holdings.slices())):
            return False
        world = Without(self._question.holdings, only=tuple(own))
        return any(
            self._may_be(option, world, ())
            and (self._finds_free(option) or self._has_room_alone(option))
            for option in self.options
        )

    def _is_granted(self, departure: _Departure) -> bool:
        world = departure.world
        return any(
            self._may_be(option, world, world.gone)
            and (self._finds_free(option) or self._has_room(option, departure))
            for option in self.options
        )

    def _is_others(self, one: Holding) -> bool:
        return one.is_notebook and one.owner != self._question.wish.owner

    def _may_be(self, option: Option, world: Without, gone: Sequence[Holding]) -> bool:
        return (
            self._is_sure_of_cards(option)
            and self._may_borrow(option, gone)
            and self._is_within_limits(world, option)
        )

    def _is_sure_of_cards(self, option: Option) -> bool:
        """Whether where guarantees are laid out does not matter: that may change as slices go."""
        guaranteed = self._question.holdings.tree(option.asked.gpu_type).root.guaranteed
        return not (self._question.wish.never_suspended and guaranteed)

    def _may_borrow(self, option: Option, gone: Sequence[Holding]) -> bool:
        if option.rank is not Rank.BORROWED:
            return True
        holdings, owner = self._question.holdings, self._rights.owner
        away = frozenset(holding.slice_id for holding in gone if holding.owner == owner)
        if not holdings.tree(option.asked.gpu_type).root.guaranteed:
            return not borrows_no_more(holdings, owner, away)
        return not any(
            holding.is_notebook and holding.unsuspendable and holding.slice_id not in away
            for holding in holdings.slices_of(owner)
        )

    def _is_within_limits(self, world: Without, option: Option) -> bool:
        of_group = group_bounds(world, option.group, option.asked)
        of_person = person_bounds(world, self._rights, option.asked)
        return beyond(of_group) is None and beyond(of_person) is None

    def _finds_free(self, option: Option) -> bool:
        if option not in self._free:
            self._free[option] = find_free(self._question, (option,)) is not None
        return self._free[option]

    def _has_room(self, option: Option, departure: _Departure) -> bool:
        pools = self._question.pools(option)
        return any(
            facts.kind == option.asked.kind
            and self._anywhere.may_have(facts, option)
            and self._question.holdings.pool_of(gpu_id) in pools
            and self._fits(option, departure.room(gpu_id))
            and not self._question.lacks_host_memory(
                facts.node, option, departure.host_mib(facts.node)
            )
            for gpu_id, facts in self._cards(option, departure)
        )

    def _cards(self, option: Option, departure: _Departure) -> Iterator[tuple[GpuId, GpuFacts]]:
        """Yield the cards where they were, and where host memory is short those beside these."""
        holdings = self._question.holdings
        here = {card: facts for card in departure.on_card if (facts := holdings.gpu(card))}
        for node in {facts.node for facts in here.values()}:
            if self._question.lacks_host_memory(node, option):
                here |= {facts.gpu_id: facts for facts in holdings.gpus_on(node)}
        yield from here.items()

    def _has_room_alone(self, option: Option) -> bool:
        """Whether there would be room on a card that others leave."""
        holdings = self._question.holdings
        lacking: dict[NodeId, bool] = {}
        for facts, _ in self._anywhere.cards(option):
            node = facts.node
            if node not in lacking:
                lacking[node] = self._lacks_alone(node, option)
            if lacking[node]:
                continue
            others = list(filter(self._is_others, holdings.slices_on(facts.gpu_id)))
            if not (others or self._question.lacks_host_memory(node, option)):
                continue
            if self._fits(option, _room_without(holdings, facts.gpu_id, others)):
                return True
        return False

    def _lacks_alone(self, node: NodeId, option: Option) -> bool:
        """Whether an option could not be suspended on a node that others leave."""
        if not self._question.lacks_host_memory(node, option):
            return False
        holdings, room = self._question.holdings, self._question.host_room(node)
        most_mib = 0 if room is None else room.borrowed_mib + room.lent_mib
        if self._question.lacks_host_memory(node, option, most_mib):
            # Not even where all leave who may.
            return True
        others = filter(self._is_others, holdings.slices_on_node(node))
        freed = sum(map(holdings.host_memory.freed_by, others))
        return self._question.lacks_host_memory(node, option, freed)

    def _fits(self, option: Option, room: GpuRoom | None) -> bool:
        alone = self._question.wish.never_suspended
        return room is not None and option.asked.amount.fits_in(room.free(shared=not alone))


def _room_without(holdings: Holdings, gpu_id: GpuId, gone: Iterable[Holding]) -> GpuRoom | None:
    """Return the room on a card without slices, and with all that were called back there again."""
    facts, pool = holdings.gpu(gpu_id), holdings.pool_of(gpu_id)
    if facts is None or pool is None:
        return None
    load = holdings.load(gpu_id)
    for holding in gone:
        load = load.minus(holding)
    return room_on(facts, replace(load, called_back=NOTHING), holdings.document.pools[pool])
