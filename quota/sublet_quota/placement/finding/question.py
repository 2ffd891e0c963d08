"""What placement is asked: a wish with what admission says to it, and where it may look."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final

from sublet_quota.admission.slice_admission import Admission, Option, Person, admit
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.amounts.node_amounts import NOTHING_OF_NODE, NodeAmount
from sublet_quota.document.right_values import Rights
from sublet_quota.holdings.gpu_load import GpuFacts, GpuRoom, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.host_memory import HostRoom
from sublet_quota.holdings.room_index import NO_NODES, RoomIndex
from sublet_quota.names.ids import GpuId, GroupName, NodeId, PoolName
from sublet_quota.placement.finding.givers import Borrowers
from sublet_quota.placement.finding.hosts import Hosts
from sublet_quota.placement.finding.unusable_room import UnusableRoom
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement import Piece
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.reclaim import Position, Request

Waiting = Mapping[str, Mapping[NodeName, Fraction]]
"""Cards that others wait for, by GPU type and by the leaf that would pay."""
_FEW_OF: Final = 8
"""Where one in so many nodes has host memory for a slice, or fewer, these alone are looked at."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What decisions on the same holdings add up once: never kept beyond one answer."""

    candidates: dict[GpuId, tuple[Piece, ...]]
    """By card: the slices that have their place there, those to go first at the front."""
    free_on: dict[tuple[PoolName, GpuKind, int], Mapping[NodeId, Mapping[GpuId, GpuAmount]]]
    """By pool, kind, and how many nodes are left out: on each node the cards with free room."""
    few: dict[tuple[PoolName, GpuKind, int], RoomIndex]
    """The same of the cards on the nodes that are not left out, where these are few."""
    borrowers: dict[str, Borrowers]
    """By GPU type: which groups borrow, and how much."""
    lent: dict[tuple[PoolName, PoolName], Fraction]
    """By lender and borrower: the cards that borrowed slices have."""
    recharges: dict[NodeName, list[Any]]
    """By top group: what could be charged elsewhere below it, the best first."""
    answers: dict[tuple[RequestedSlice, GpuId | None], Any]
    """By a wish, and the card that alone was looked at: its place, if it has one."""
    positions: dict[tuple[str, NodeName, Fraction], Position]
    """By type, leaf, and cards that are asked for: how the groups stand then."""
    admissions: dict[RequestedSlice, Admission]
    """By a wish: what rights and limits say to it."""
    rights: dict[Person, Rights]
    """By who asks: what they may have."""
    short_nodes: dict[NodeAmount, AbstractSet[NodeId]]
    """By what a server takes of a node: the nodes that have not so much left."""
    unusable: dict[GpuKind, UnusableRoom | None]
    """By kind: what room there is worth to those who ask."""
    departures: dict[tuple[GroupName, str], Any]
    """By payer and who asks: what would be if the slices of all its other members were gone."""
    hosts: Hosts
    """Where there is host memory for what is borrowed."""

    @classmethod
    def nothing(cls) -> "Seen":
        """Return that nothing was added up yet."""
        return cls({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Hosts())

    def for_another(self) -> "Seen":
        """Return the same for a question beside which others wait: its answers are its own."""
        return replace(self, answers={}, positions={})


@dataclass(frozen=True, slots=True)
class Question:
    """A wish that is to find its place."""

    holdings: Holdings
    wish: RequestedSlice
    only: GpuId | None = None
    """The one card that is looked at, where a slice grows on it."""
    waiting: Waiting = field(default_factory=dict)
    kept: frozenset[GpuId] = frozenset()
    """Cards that are kept for others who wait."""
    recharge: tuple[Holding, GroupName] | None = None
    """Somebody else's slice that is charged to another of their groups from now on."""
    lends_kept: frozenset[GpuId] = frozenset()
    """Cards that are kept for reservations, and count as room for all."""
    any_host: bool = False
    """Whether it does not matter how much host memory there is."""
    any_node: bool = False
    """Whether it does not matter how much CPU and memory a node has left."""
    seen: Seen = field(default_factory=Seen.nothing)
    """What was added up for this question, or for one like it on the same holdings."""

    @property
    def admission(self) -> Admission:
        """What rights and limits say to the wish."""
        known = self.seen.admissions
        if self.wish not in known:
            known[self.wish] = admit(self.holdings, self.wish, self.seen.rights)
        return known[self.wish]

    def unusable_room(self, kind: GpuKind, gpu_type: str) -> UnusableRoom | None:
        """Return what room on a kind of card is worth to those who ask; ``None``: not known."""
        known, holdings = self.seen.unusable, self.holdings
        if kind not in known:
            asked = holdings.asked_sizes
            known[kind] = UnusableRoom.on(holdings.document, asked, kind, gpu_type)
        return known[kind]

    def may_lie_on(self, facts: GpuFacts, amount: GpuAmount) -> bool:
        """Whether the slice could be on a card with so much of it, as far as the question goes."""
        home = self.wish.home
        return (
            facts.closed is None
            and (home is None or facts.node == home.node)
            and (self.only is None or facts.gpu_id == self.only)
            and facts.gpu_id not in self.kept
            and facts.node not in self.nodes_without_enough(amount)
        )

    def takes(self, amount: GpuAmount) -> NodeAmount:
        """Return what a slice of so much takes of its node, as far as that matters."""
        return NOTHING_OF_NODE if self.any_node else self.wish.takes.with_cap(amount.memory_mib)

    def nodes_without_enough(self, amount: GpuAmount) -> AbstractSet[NodeId]:
        """Return the nodes with too little CPU or memory left beside it, where that matters."""
        takes = self.takes(amount)
        if takes == NOTHING_OF_NODE:
            return NO_NODES
        known = self.seen.short_nodes
        if takes not in known:
            known[takes] = self.holdings.nodes_short_of(takes)
        return known[takes]

    def looks_at_some_cards(self, options: Iterable[Option]) -> bool:
        """Whether there are cards that are left out, as others keep them, or for the wish."""
        return bool(
            self.only is not None
            or self.wish.home
            or self.kept
            or self.holdings.kept_cards
            or any(self.nodes_without_enough(option.asked.amount) for option in options)
        )

    def may_have(self, facts: GpuFacts, option: Option) -> bool:
        """Whether an option could be on a card: what is kept for others it does not borrow.

        Nor does it borrow where it could not be suspended.
        """
        if not self._is_open_to(facts, option):
            return False
        return self.any_host or not self.lacks_host_memory(facts.node, option)

    def _is_open_to(self, facts: GpuFacts, option: Option) -> bool:
        """Whether an option could be on a card, whatever host memory its node has."""
        is_borrowed = option.rank is Rank.BORROWED
        return self.may_lie_on(facts, option.asked.amount) and not (
            is_borrowed and self.is_kept_from(facts.gpu_id, option.group)
        )

    def is_kept_from(self, gpu_id: GpuId, group: GroupName | None) -> bool:
        """Whether a group borrows nothing on a card, as it is kept for a reservation of others."""
        return gpu_id not in self.lends_kept and self.holdings.is_kept_from(gpu_id, group)

    def lacks_host_memory(self, node: NodeId, option: Option, freed_mib: int = 0) -> bool:
        """Whether an option is borrowed, and could not be suspended on a node with its whole cap.

        ``freed_mib``: what others would leave besides.
        """
        if node not in self._nodes_short_for(option):
            return False
        room = self.host_room(node)
        lacking_mib = option.asked.amount.memory_mib - freed_mib
        return room is not None and room.free_mib < lacking_mib

    def nodes_short_for(self, option: Option) -> AbstractSet[NodeId]:
        """Return the nodes on which an option could not be suspended, where that matters."""
        return NO_NODES if self.any_host else self._nodes_short_for(option)

    def is_short_everywhere(self, option: Option) -> bool:
        """Whether an option could be suspended on no node at all, where that matters."""
        short = self.nodes_short_for(option)
        return bool(short) and len(short) == len(self.holdings.nodes())

    def _nodes_short_for(self, option: Option) -> AbstractSet[NodeId]:
        if option.rank is not Rank.BORROWED or self.wish.never_suspended:
            return NO_NODES
        memory_mib = option.asked.amount.memory_mib
        return self.seen.hosts.short_of(self.holdings.host_memory, memory_mib)

    def host_room(self, node: NodeId) -> HostRoom | None:
        """Return the host memory of a node; ``None``: nothing follows from it."""
        return self.seen.hosts.room(self.holdings.host_memory, node)

    def rank_on(self, rank: Rank, gpu_id: GpuId, leaf: NodeName, amount: GpuAmount) -> Rank:
        """Return how a slice stands on a card: in part, where it takes turns behind others'."""
        if rank is Rank.ENTITLED and not self.holdings.has_place(gpu_id, leaf, amount):
            return Rank.ENTITLED_IN_PART
        return rank

    def cards(
        self, option: Option, among: Collection[GpuId] | None = None
    ) -> Iterator[tuple[GpuFacts, GpuRoom]]:
        """Yield the open cards of an option's kind in all pools in reach, the own pool's first.

        In each the one with the most memory room comes first. ``among``: these alone, each once.
        """
        all_open = not self.looks_at_some_cards((option,))
        for pool in self.pools(option):
            index = self.index(pool, option)
            if index is None:
                continue
            for gpu_id in index.by_room(among, self.nodes_short_for(option)):
                facts = self.holdings.gpu(gpu_id)
                if facts is not None and (all_open or self._is_open_to(facts, option)):
                    yield facts, index.rooms[gpu_id]

    def index(self, pool: PoolName, option: Option) -> RoomIndex | None:
        """Return the cards of an option's kind in a pool, by their room.

        Where few nodes have host memory for it, these nodes' alone.
        """
        index = self.holdings.kinds_in(pool).get(option.asked.kind)
        short = self.nodes_short_for(option)
        if index is None or not self._are_few_beside(short):
            return index
        # For a larger slice the same nodes are short, and more.
        known, key = self.seen.few, (pool, option.asked.kind, len(short))
        if key not in known:
            left = (node for node in self.holdings.nodes() if node not in short)
            here = (facts.gpu_id for node in left for facts in self.holdings.gpus_on(node))
            known[key] = index.on_cards(here)
        return known[key]

    def has_few_nodes(self, option: Option) -> bool:
        """Whether few nodes have host memory for an option, where that matters."""
        return self._are_few_beside(self.nodes_short_for(option))

    def _are_few_beside(self, short: AbstractSet[NodeId]) -> bool:
        all_nodes = len(self.holdings.nodes()) if short else 0
        return bool(short) and (all_nodes - len(short)) * _FEW_OF <= all_nodes

    def borrowers(self, gpu_type: str) -> Borrowers:
        """Return which groups borrow of a type, as far as that was asked for already."""
        # What is charged elsewhere is held by others than what was seen.
        return {} if self.recharge else self.seen.borrowers.setdefault(gpu_type, {})

    def pools(self, option: Option) -> tuple[PoolName, ...]:
        """Return the pools on whose cards the slice may be: its own first.

        What is within a guarantee may be anywhere; what is borrowed only in another pool that
        lends, up to the part that it lends.
        """
        own = option.wanted.pool
        others = sorted(name for name in self.holdings.document.pools if name != own)
        return own, *(
            PoolName(name) for name in others if option.steps or self._lends(name, option)
        )

    def _lends(self, lender: str, option: Option) -> bool:
        own, holdings = option.wanted.pool, self.holdings
        part = holdings.document.pools[lender].lends.get(own, NO_CARD)
        if not part:
            return False
        pool = PoolName(lender)
        if (pool, own) not in self.seen.lent:
            self.seen.lent[pool, own] = holdings.lent(pool, own)
        lent = self.seen.lent[pool, own] + option.asked.cards
        return lent <= part * holdings.cards_in(pool)

    def request(self, option: Option) -> Request:
        """Return the request, as shares see it."""
        return Request(option.node, option.asked.cards, suspendable=not self.wish.never_suspended)

    def position(self, option: Option) -> Position:
        """Return how the groups stand on the type, this request among what is asked for.

        A slice that was called back is asked for, and held by nobody: who lost a place is not
        above their share because of it.
        """
        if self.recharge is not None:
            return self._position(option)
        known, asked = self.seen.positions, option.asked
        key = asked.gpu_type, option.node, asked.cards
        if key not in known:
            known[key] = self._position(option)
        return known[key]

    def _position(self, option: Option) -> Position:
        gpu_type = option.asked.gpu_type
        asks = dict(self.waiting.get(gpu_type, {}))
        asks[option.node] = asks.get(option.node, NO_CARD) + option.asked.cards
        position = self.holdings.position(gpu_type, asks)
        away = self.holdings.called_back_sums(gpu_type)
        held, entitled = self._recharged(gpu_type)
        if not (away or held):
            return position
        return Position(
            position.tree,
            position.shares,
            _less(_less(position.held, away), held),
            _less(position.entitled, entitled),
        )

    def _recharged(
        self, gpu_type: str
    ) -> tuple[Mapping[NodeName, Fraction], Mapping[NodeName, Fraction]]:
        """Return what each node holds, and is entitled to, less by the slice charged elsewhere."""
        held: defaultdict[NodeName, Fraction] = defaultdict(Fraction)
        entitled: defaultdict[NodeName, Fraction] = defaultdict(Fraction)
        if self.recharge is None:
            return held, entitled
        holding, group = self.recharge
        piece, paths = self.holdings.piece(holding.slice_id), self.holdings.tree(gpu_type).paths
        if piece is None or self.holdings.type_of(holding.gpu_id) != gpu_type:
            return held, entitled
        leaf = self.holdings.leaf_for(group, holding.owner)
        new_path = paths[leaf]
        steps = self.holdings.steps_at(gpu_type, leaf, piece.cards)
        for path, to, sign in ((paths[piece.node], piece.entitled, 1), (new_path, steps, -1)):
            for depth, name in enumerate(path):
                held[name] += sign * piece.cards
                entitled[name] += sign * piece.cards if depth < to else NO_CARD
        return held, entitled


def _less(
    sums: Mapping[NodeName, Fraction], less: Mapping[NodeName, Fraction]
) -> Mapping[NodeName, Fraction]:
    return _Less(sums, less) if less else sums


class _Less(Mapping[NodeName, Fraction]):
    """Sums by node, less some."""

    def __init__(
        self, sums: Mapping[NodeName, Fraction], less: Mapping[NodeName, Fraction]
    ) -> None:
        self._sums = sums
        self._less = less

    def __getitem__(self, name: NodeName) -> Fraction:
        sums, less = self._sums[name], self._less.get(name)
        return sums - less if less else sums

    def __iter__(self) -> Iterator[NodeName]:
        return iter(self._sums)

    def __len__(self) -> int:
        return len(self._sums)
