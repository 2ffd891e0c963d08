"""A server that restarts while its slice counts as before: after a guarantee or limit became less.

The same payer pays, on the same card where that is possible, and no limit that is lower now
refuses it. More than the slice had, or another card than it may lie on, is a new wish.
"""

from dataclasses import dataclass

from sublet_quota.admission.slice_admission import rank_of
from sublet_quota.admission.slice_request import amount_of
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.gpu_load import Holding, cards_on
from sublet_quota.names.ids import SizeName
from sublet_quota.placement.finding.making_way import missing_on
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


def find_as_before(question: Question) -> AsBeforePlace | None:
    """Return the place where the slice was, if it is to be had as before, or ``None``."""
    holding, holdings = question.wish.before, question.holdings
    if holding is None or holding.before is None or not _is_the_same_wish(question, holding):
        return None
    if holdings.is_spent(holding.group, holding.owner):
        return None
    facts, gpu_type = holdings.gpu(holding.gpu_id), holdings.type_of(holding.gpu_id)
    if facts is None or gpu_type is None or not question.may_lie_on(facts):
        return None
    size = holdings.document.sizes.get(question.wish.size or "")
    if not question.wish.may_be_on(facts.kind, gpu_type):
        return None
    amount = holding.amount if size is None else amount_of(size, facts.kind)
    if question.wish.memory_mib is not None and question.wish.compute_milli is not None:
        amount = GpuAmount(question.wish.memory_mib, question.wish.compute_milli)
    room, alone = holdings.room(holding.gpu_id), question.wish.never_suspended
    missing = None if room is None else missing_on(holdings, facts, room, amount, alone=alone)
    if missing is None or not amount.fits_in(holding.amount):
        return None
    if not (missing.is_nothing or holding.before.steps):
        return None
    name = None if size is None else SizeName(question.wish.size or "")
    leaf = holdings.leaf(holding.group)
    depth = len(holdings.tree(gpu_type).paths[leaf])
    anew = holdings.steps_at(gpu_type, leaf, cards_on(amount, facts.kind))
    rank = rank_of(max(min(depth, holding.before.steps), anew), depth)
    rank = question.rank_on(rank, facts.gpu_id, leaf, amount)
    return AsBeforePlace(holding, gpu_type, name, amount, rank)


def _is_the_same_wish(question: Question, holding: Holding) -> bool:
    wish = question.wish
    return (
        wish.owner == holding.owner
        and wish.group in (None, holding.group)
        and wish.pool in (None, holding.pool)
    )
