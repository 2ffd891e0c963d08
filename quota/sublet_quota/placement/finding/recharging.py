"""Whose slice may be charged to another of their groups, so that somebody is let in.

Only who named no group, one slice, one step. Nobody's slice stops being entitled for it: that would
let others take what a group is guaranteed; none goes to a group whose hours are over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from sublet_quota.admission.met_limits import Without, beyond, group_bounds, paying_groups
from sublet_quota.admission.other_payer import OtherPayer, Turn, other_payer
from sublet_quota.admission.slice_admission import Admission, Option
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName
from sublet_quota.placement.finding.question import Question
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import NodeName

_MOST_LOOKED_AT: Final = 32
"""How many slices of a top group, the newest first, are looked at: there may be thousands, and
whoever looks at their share asks this of every size.
"""
_MOST_TRIED: Final = 16
"""For how many slices, the best first, it is asked whether the request then finds a place."""


@dataclass(frozen=True, slots=True)
class Recharge:
    """A request as it would be once a slice is charged to another group."""

    option: Option
    of: tuple[Holding, GroupName]


def _turn(change: OtherPayer) -> tuple[float, int, Turn]:
    """Return what the best change has the least of: the newest slice, by the group that fits."""
    holding = change.holding
    since, lot = holding.age
    return -since.timestamp(), lot, change.turn


def recharges(question: Question, admission: Admission) -> Iterator[Recharge]:
    """Yield the requests with the slice that would let each in, the best first."""
    for option in admission.beyond_groups:
        for change in _changes(question, option):
            if _fits_then(question.holdings, option, change):
                yield Recharge(option, (change.holding, change.group))
    for option in admission.options:
        if option.group is None or option.steps == option.depth:
            continue
        for change in _changes(question, option):
            if _is_entitled_then(question.holdings, option, change):
                entitled = replace(option, steps=option.depth)
                yield Recharge(entitled, (change.holding, change.group))


def _changes(question: Question, option: Option) -> list[OtherPayer]:
    """Return the slices charged below the payer's top group that could be charged elsewhere."""
    top = paying_groups(question.holdings, option.group)[:1]
    if not top:
        return []
    known = question.seen.recharges
    if top[0] not in known:
        known[top[0]] = _changes_below(question, top[0])
    return known[top[0]]


def _changes_below(question: Question, top: NodeName) -> list[OtherPayer]:
    holdings = question.holdings
    document = holdings.document
    below = (GroupName(name) for name in holdings.groups.below(top))
    groups = (name for name in below if name in document.all_groups)
    found = [
        change
        for holding in islice(holdings.rechargeable(groups), _MOST_LOOKED_AT)
        for group in holding.member_of
        if group != holding.group and group in document.all_groups
        if (change := _change(holdings, holding, group)) is not None
    ]
    return sorted(found, key=_turn)[:_MOST_TRIED]


def _change(holdings: Holdings, holding: Holding, group: GroupName) -> OtherPayer | None:
    """Return a slice as another group would pay for it; ``None`` where that may not."""
    piece, found = holdings.piece(holding.slice_id), other_payer(holdings, holding, group)
    if piece is None or found is None or found.is_spent:
        return None
    before = len(holdings.tree(found.asked.gpu_type).paths[piece.node]) - piece.entitled
    if _is_less(piece.entitled, before, found.steps, found.depth - found.steps):
        return None
    return found


def _is_less(entitled: int, missing: int, steps: int, still_missing: int) -> bool:
    """Whether a slice would no longer be entitled at all, or against everybody, as it is."""
    if entitled and not missing:
        return still_missing > 0
    return entitled > 0 and not steps


def _fits_then(holdings: Holdings, option: Option, change: OtherPayer) -> bool:
    """Whether the request is within the limits of its payer once the slice is charged elsewhere."""
    world = Without(holdings, recharged=((change.holding, change.group),))
    return beyond(group_bounds(world, option.group, option.asked)) is None


def _is_entitled_then(holdings: Holdings, option: Option, change: OtherPayer) -> bool:
    """Whether the request is within its guarantee once the slice is charged elsewhere.

    Where others in the group wait for the guarantee they come first, and this is not known.
    """
    gpu_type = option.asked.gpu_type
    if change.asked.gpu_type != gpu_type:
        return False
    tree, position = holdings.tree(gpu_type), holdings.position(gpu_type)
    owner = change.holding.owner
    old = tree.paths[holdings.leaf_for(change.holding.group, owner)]
    new = tree.paths[holdings.leaf_for(change.group, owner)]
    piece = holdings.piece(change.holding.slice_id)
    for name in tree.paths[option.node]:
        spare = tree.nodes[name].guaranteed - position.entitled[name]
        if option.asked.cards <= spare:
            continue
        freed = NO_CARD
        if piece is not None and name in old[: piece.entitled] and name not in new:
            freed = change.asked.cards
        others_wait = position.held[name] > position.entitled[name]
        if option.asked.cards > spare + freed or others_wait:
            return False
    return True
