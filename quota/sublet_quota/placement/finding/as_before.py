"""A server that restarts while its slice counts as before: after something it had became less.

The same payer pays, on the same card where that is possible, and no limit that is lower now
refuses it. More than the slice had, or another card than it may lie on, is a new wish. A server
that was stopped meanwhile may find its room taken: it has room on another card then, or else, if it
was entitled, borrowed slices make way for it where it was. What its owner was handed out meanwhile
fills limits as for anybody: who has that has not both. So does what others of the group were handed
out since: members who take turns at stopping servers would hold more together than they ever did.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sublet_quota.admission.met_limits import (
    Asked,
    Without,
    beyond,
    group_bounds,
    paying_groups,
    person_bounds,
)
from sublet_quota.admission.slice_admission import Option, rank_of
from sublet_quota.admission.slice_request import Wanted, amount_of
from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.right_values import PayerRights
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.gpu_load import AsBefore, GpuFacts, Holding, cards_on
from sublet_quota.names.ids import PoolName, SizeName, SliceId
from sublet_quota.placement.finding.making_way import Missing, candidates_on, missing_on
from sublet_quota.placement.finding.question import Question
from sublet_quota.residency.snapshot import Rank


@dataclass(frozen=True, slots=True)
class AsBeforePlace:
    """The place of a slice that restarts as before."""

    holding: Holding
    """The slice of just now: its card, its payer and its grace are kept."""
    gpu_type: str
    size: SizeName | None
    amount: GpuAmount
    rank: Rank
    """How the slice goes on counting."""
    calls_back: tuple[SliceId, ...] = ()
    """The borrowed slices that have its room by now."""


def find_as_before(question: Question, *, others_make_way: bool = False) -> AsBeforePlace | None:
    """Return the place where the slice was, if it is to be had as before, or ``None``.

    ``others_make_way``: where it has been stopped, and borrowed slices have its room.
    """
    restart = _restart(question)
    if restart is None or not question.may_lie_on(restart.facts, restart.asked.amount):
        return None
    holdings, holding, facts = question.holdings, restart.holding, restart.facts
    asked, room, alone = restart.asked, holdings.room(facts.gpu_id), question.wish.never_suspended
    missing = None if room is None else missing_on(holdings, facts, room, asked.amount, alone=alone)
    if missing is None:
        return None
    calls_back: tuple[SliceId, ...] = ()
    if question.wish.stopped_at is not None and not missing.is_nothing:
        if not (others_make_way and restart.before.steps):
            return None
        calls_back = _in_its_room(question, holding, missing)
    if not (missing.is_nothing or restart.before.steps):
        return None
    steps, depth = _steps(question, restart)
    leaf = holdings.leaf(holding.group)
    rank = question.rank_on(rank_of(steps, depth), facts.gpu_id, leaf, asked.amount)
    return AsBeforePlace(holding, asked.gpu_type, _size(question), asked.amount, rank, calls_back)


def options_as_before(question: Question) -> Iterator[Option]:
    """Yield what a server that was stopped may have as before, on any card of that type."""
    restart = None if question.wish.stopped_at is None else _restart(question)
    if restart is None:
        return
    holding, asked = restart.holding, restart.asked
    steps, depth = _steps(question, restart)
    yield Option(
        _payer(question, holding),
        Wanted(PoolName(holding.pool), _size(question), None, asked.amount),
        asked,
        question.holdings.leaf(holding.group),
        steps,
        depth,
        None,
    )


@dataclass(frozen=True, slots=True)
class _Restart:
    """What a server that restarts had, where, and what it asks for: no more than that."""

    holding: Holding
    before: AsBefore
    facts: GpuFacts
    asked: Asked


def _restart(question: Question) -> _Restart | None:
    """Return what restarts while its slice counts as before; ``None``: it is a new wish."""
    holding, holdings = question.wish.before, question.holdings
    if holding is None or holding.before is None or not _is_the_same_wish(question, holding):
        return None
    if holdings.is_spent(holding.group, holding.owner):
        return None
    facts, gpu_type = holdings.gpu(holding.gpu_id), holdings.type_of(holding.gpu_id)
    if facts is None or gpu_type is None or not question.wish.may_be_on(facts.kind, gpu_type):
        return None
    amount = _amount(question, holding, facts.kind)
    if not amount.fits_in(holding.amount):
        return None
    cards = cards_on(amount, facts.kind)
    steps = holdings.entitled_steps(gpu_type, holding.group, cards)
    asked = Asked(facts.kind, gpu_type, amount, cards, steps)
    if _has_others_instead(question, holding, asked) or _is_replaced(question, holding, asked):
        return None
    return _Restart(holding, holding.before, facts, asked)


def _has_others_instead(question: Question, holding: Holding, asked: Asked) -> bool:
    """Whether the owner was handed out others since, beside which limits refuse the slice."""
    holdings, wish = question.holdings, question.wish
    stopped_at = wish.stopped_at
    if stopped_at is None or not any(
        each.is_notebook and each.since >= stopped_at for each in holdings.slices_of(holding.owner)
    ):
        return False
    world, rights = Without(holdings), rights_of(holdings.document, wish.owner, wish.groups)
    met = group_bounds(world, holding.group, asked), person_bounds(world, rights, asked)
    return any(beyond(each) is not None for each in met)


def _is_replaced(question: Question, holding: Holding, asked: Asked) -> bool:
    """Whether somebody was let in since below a limit of a group that refuses the slice now.

    Who was let in found all within that limit: so with what restarts no more is held than that, or
    than was held before.
    """
    holdings, stopped_at = question.holdings, question.wish.stopped_at
    if stopped_at is None:
        return False
    met = group_bounds(Without(holdings), holding.group, asked)
    full = {bound.node for bound in met if not bound.allows}
    return bool(full) and any(
        each.since >= stopped_at and each.before is None
        for payer in holdings.payers()
        if not full.isdisjoint(paying_groups(holdings, payer))
        for each in holdings.paid_by(payer)
    )


def _payer(question: Question, holding: Holding) -> PayerRights:
    """Return the rights of who pays, be its owner a member of that group or not any more."""
    wish = question.wish
    rights = rights_of(question.holdings.document, wish.owner, wish.groups)
    if holding.group is not None and holding.group in rights.groups:
        return rights.payer(holding.group)
    return replace(rights.payers[0], group=holding.group)


def _steps(question: Question, restart: _Restart) -> tuple[int, int]:
    """Return to how many steps of its path a slice is entitled, and how many that has."""
    holdings, group, asked = question.holdings, restart.holding.group, restart.asked
    depth = len(holdings.tree(asked.gpu_type).paths[holdings.leaf(group)])
    anew = holdings.entitled_steps(asked.gpu_type, group, asked.cards)
    kept = holdings.steps_as_before(asked.gpu_type, group, asked.cards, restart.before.steps)
    return max(min(depth, kept), anew), depth


def _size(question: Question) -> SizeName | None:
    name = question.wish.size
    return SizeName(name) if name and name in question.holdings.document.sizes else None


def _amount(question: Question, holding: Holding, kind: GpuKind) -> GpuAmount:
    wish = question.wish
    if wish.memory_mib is not None and wish.compute_milli is not None:
        return GpuAmount(wish.memory_mib, wish.compute_milli)
    size = question.holdings.document.sizes.get(wish.size or "")
    return holding.amount if size is None else amount_of(size, kind)


def _in_its_room(question: Question, holding: Holding, missing: Missing) -> tuple[SliceId, ...]:
    """Return the borrowed slices, the newest first, that leave room enough, as far as there are."""
    freed, chosen = NOTHING, []
    for piece in candidates_on(question, holding.gpu_id):
        if missing.without(freed).is_nothing:
            break
        other = question.holdings.slice(SliceId(piece.piece_id))
        if piece.entitled or other is None or other.unsuspendable:
            continue
        freed += other.amount
        chosen.append(other.slice_id)
    return tuple(chosen)


def _is_the_same_wish(question: Question, holding: Holding) -> bool:
    wish = question.wish
    return (
        wish.owner == holding.owner
        and wish.group in (None, holding.group)
        and wish.pool in (None, holding.pool)
    )
