"""Why a wish within rights and limits finds no place, and who is in the way."""

from collections.abc import Iterable
from typing import Final, assert_never

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.amounts.node_amounts import UNKNOWN_ROOM, NodePart
from sublet_quota.holdings.card_policy import counted_type
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, SliceId, UserName
from sublet_quota.placement.finding.deriving import guarantee_line
from sublet_quota.placement.finding.free_room import most_free
from sublet_quota.placement.finding.question import Question
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusals.facts import Fact, Holder
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import NodeName

NONE_GONE: Final[frozenset[SliceId]] = frozenset()


def borrows_no_more(
    holdings: Holdings, owner: UserName, gone: frozenset[SliceId] = NONE_GONE
) -> bool:
    """Whether a borrowed slice of the owner has to make way, or will have to, and cannot.

    That is one that can be paused only, where it was called back or lies on a card that is laid
    out for others: it was let in there as one that can leave. ``gone``: slices that do not count.
    """
    return any(
        holding.is_notebook and holding.unsuspendable and _is_in_the_way(holdings, holding)
        for holding in holdings.slices_of(owner)
        if holding.slice_id not in gone
    )


def _is_in_the_way(holdings: Holdings, holding: Holding) -> bool:
    if holdings.rank(holding.slice_id) not in (Rank.BORROWED, Rank.CALLED_BACK):
        return False
    gpu_type = holdings.type_of(holding.gpu_id)
    if holding.called_back or gpu_type is None:
        return holding.called_back
    parts = holdings.layout(gpu_type).on(holding.gpu_id)
    path = holdings.tree(gpu_type).paths[holdings.leaf_for(holding.group, holding.owner)]
    return any(part.node not in path for part in parts)


def denied_a_loan(owner: UserName) -> Denial:
    """Return the refusal of who borrows no more."""
    return Denial(RoomRefusal.BORROWS_NO_MORE, Rule.ROOM, facts={"owner": owner})


def is_short_of_host_memory(question: Question, options: tuple[Option, ...]) -> bool:
    """Whether there are nodes on which an option could not be suspended."""
    return any(question.nodes_short_for(option) for option in options)


def denied_host_memory(question: Question, option: Option, gpu_id: GpuId) -> Denial:
    """Return the refusal of what would have its place on a card, but could not be suspended."""
    holdings, asked = question.holdings, option.asked
    facts = holdings.gpu(gpu_id)
    room = None if facts is None else question.host_room(facts.node)
    if facts is None or room is None:
        return denied_room(question, (option,))
    borrowed = filter(holdings.host_memory.freed_by, holdings.slices_on_node(facts.node))
    return Denial(
        RoomRefusal.NO_HOST_MEMORY,
        Rule.ROOM,
        option.group,
        (),
        {
            "asked_mib": asked.amount.memory_mib,
            "host_free_mib": room.free_mib,
            "host_mib": room.told_mib,
            "node": facts.node,
        },
        _groups_of(holdings, borrowed, question.wish.owner),
        _smaller(asked.amount, GpuAmount(room.free_mib, asked.amount.compute_milli)),
    )


def denied_node(question: Question, option: Option, gpu_id: GpuId) -> Denial:
    """Return the refusal of what would have its place on a card, whose node has too little left."""
    holdings = question.holdings
    takes = question.wish.takes.with_cap(option.asked.amount.memory_mib)
    facts = holdings.gpu(gpu_id)
    room = UNKNOWN_ROOM if facts is None else holdings.node_room(facts.node)
    lacks = room.lacks(takes)
    if facts is None or lacks is None:
        return denied_room(question, (option,))
    told: dict[str, Fact] = {"pool": option.wanted.pool, "asked": option.asked.amount}
    told["node"] = facts.node
    match lacks:
        case NodePart.CPU:
            code = RoomRefusal.NO_NODE_CPU
            told |= {
                "takes_cpu_milli": takes.cpu_milli,
                "node_cpu_milli": max(0, room.cpu_milli or 0),
            }
        case NodePart.MEMORY:
            code = RoomRefusal.NO_NODE_MEMORY
            told |= {"takes_mib": takes.memory_mib, "node_mib": max(0, room.memory_mib or 0)}
        case _:
            assert_never(lacks)
    others = holdings.slices_on_node(facts.node)
    waits_for = _groups_of(holdings, others, question.wish.owner)
    return Denial(code, Rule.ROOM, option.group, (), told, waits_for)


def denied_room(question: Question, options: tuple[Option, ...]) -> Denial:
    """Return why no card has room for any of these, and none is made."""
    option = options[0]
    wish, asked = question.wish, option.asked
    alone = wish.never_suspended
    free = most_free(question, options, alone=alone)
    facts: dict[str, Fact] = {"asked": asked.amount, "free": free or NOTHING}
    waits_for = _in_the_way(question, options)
    if question.only is not None:
        return _denied(RoomRefusal.NO_ROOM_TO_GROW, option, facts, waits_for)
    if wish.home is not None:
        facts |= {
            "node": wish.home.node,
            "home_user": wish.home.by,
            "pool": option.wanted.pool,
        }
        if free is None:
            return _denied(RoomRefusal.NO_OPEN_GPU_AT_HOME, option, facts, ())
        return _denied(RoomRefusal.NO_ROOM_AT_HOME, option, facts, waits_for)
    if option.rank is Rank.ENTITLED:
        return _guarantee_in_the_way(question, option)
    if alone:
        return _denied(RoomRefusal.NO_ROOM_ALONE, option, facts, waits_for)
    facts |= {
        "pool": option.wanted.pool,
        "holder": _holder(option),
        "gpu_type": asked.gpu_type,
        "held_cards": question.holdings.held(option.node).cards.get(asked.gpu_type, NO_CARD),
        "share_cards": question.position(option).shares[option.node],
    }
    return _denied(RoomRefusal.NO_ROOM, option, facts, waits_for)


def _holder(option: Option) -> Holder:
    is_direct = option.group is not None and option.node != NodeName(option.group)
    return Holder(option.group, is_direct)


def _denied(
    code: RoomRefusal,
    option: Option,
    facts: dict[str, Fact],
    waits_for: tuple[GroupName | None, ...],
) -> Denial:
    free = facts["free"]
    less = _smaller(option.asked.amount, free) if isinstance(free, GpuAmount) else None
    return Denial(code, Rule.ROOM, option.group, (), facts, waits_for, less)


def _smaller(asked: GpuAmount, free: GpuAmount) -> GpuAmount | None:
    amount = asked.lesser(free)
    return amount if amount.memory_mib and amount.compute_milli else None


def _guarantee_in_the_way(question: Question, option: Option) -> Denial:
    holdings, gpu_type = question.holdings, option.asked.gpu_type
    group = option.group or GroupName("")
    line = guarantee_line(holdings, group, gpu_type)
    blocking = (
        holding
        for gpu_id in holdings.layout(gpu_type).usable_by(option.node)
        for holding in holdings.slices_on(gpu_id)
        if holding.is_notebook and holding.unsuspendable
    )
    facts: dict[str, Fact] = {
        "group": group,
        "guaranteed_cards": holdings.tree(gpu_type).nodes[NodeName(group)].guaranteed,
        "gpu_type": gpu_type,
        "asked": option.asked.amount,
    }
    return Denial(
        RoomRefusal.GUARANTEE_IN_THE_WAY,
        Rule.ROOM,
        option.group,
        (line,),
        facts,
        _groups_of(holdings, blocking, question.wish.owner),
    )


def _in_the_way(question: Question, options: tuple[Option, ...]) -> tuple[GroupName | None, ...]:
    """Return the groups, other than who asks alone, whose slices stand where it was looked."""
    holdings, owner = question.holdings, question.wish.owner
    types = {option.asked.gpu_type for option in options}
    pools = {pool for option in options for pool in question.pools(option)}
    # Asked of the slices of thousands of groups.
    open_there = set[GpuId]().union(
        *(
            index.rooms
            for pool in pools
            for kind, index in holdings.kinds_in(pool).items()
            if counted_type(holdings.document, kind.type) in types
        )
    )
    amounts = {option.asked.amount for option in options}
    all_open = not question.looks_at_some_cards(options)

    def is_there(one: Holding) -> bool:
        if one.gpu_id not in open_there or one.owner == owner:
            return False
        facts = None if all_open else holdings.gpu(one.gpu_id)
        return all_open or (
            facts is not None and any(question.may_lie_on(facts, amount) for amount in amounts)
        )

    if question.only is not None:
        here = holdings.slices_on(question.only)
        return _named({one.group for one in here if one.is_notebook and is_there(one)}, holdings)
    return _named(holdings.payers_where(is_there), holdings)


def _groups_of(
    holdings: Holdings, slices: Iterable[Holding], owner: str
) -> tuple[GroupName | None, ...]:
    return _named({holding.group for holding in slices if holding.owner != owner}, holdings)


def _named(groups: set[GroupName | None], holdings: Holdings) -> tuple[GroupName | None, ...]:
    known = holdings.document.all_groups
    named = sorted(group for group in groups if group is not None and group in known)
    return (*named, None) if len(named) < len(groups) else tuple(named)
