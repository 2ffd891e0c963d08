"""What would follow if another quota document were in force from now on.

Decided by the code that decides when it is: ``Holdings.under`` for the slices, the queue's own plan
for the jobs, ``rights_of`` for the people. A function of values: nothing of it changes anything.
What begins or ends at a stated time later is not in it, but that reservations are to come is told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.budgets.standing import BudgetStanding, Spent
from sublet_quota.document.consistency.warnings import (
    DocumentWarning,
    document_warnings,
    warnings_of_times,
)
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.told_reservations import tell_reservations
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.unmatched_names import unmatched_names
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.claims import Claims, new_claims
from sublet_quota.preview.beyond import Excess, new_excesses
from sublet_quota.preview.job_changes import JobChange, job_changes
from sublet_quota.preview.present_state import PresentState
from sublet_quota.preview.rank_changes import RankChange, brought_back, rank_changes
from sublet_quota.preview.rights_changes import RightChange, rights_changes
from sublet_quota.reasons.guarantee_warnings import GuaranteeWarning


@dataclass(frozen=True, slots=True)
class QuotaPreview:
    """What would be otherwise than it is."""

    beyond: tuple[Excess, ...]
    ranks: tuple[RankChange, ...]
    brought_back: tuple[SliceId, ...]
    """Called-back slices that would have their place again at once."""
    claims: Claims
    """Who would have to make way as soon as guarantees are claimed, and has not now."""
    jobs: tuple[JobChange, ...]
    unmet: tuple[GuaranteeWarning, ...]
    """What of guarantees could not be met of the cards of now."""
    rights: tuple[RightChange, ...]
    reservations: tuple[str, ...]
    """What would be reserved, now or later; what is over is not there."""
    warnings: tuple[DocumentWarning, ...]
    """What may not be meant in the document, or names cards that are not there."""
    budgets: tuple[BudgetStanding, ...] = ()
    """The budgets that would be over after what is spent of them, and are not now."""


def preview_quota(
    state: PresentState,
    document: QuotaDocument,
    now: datetime,
    cards: Iterable[GpuFacts] = (),
) -> QuotaPreview:
    """Return what would follow if ``document``, as it was read, were in force from now on.

    ``cards``: those that the document closes, or opens, as they would be then.
    """
    in_force = document.at(now)
    before = state.holdings()
    for gpu_type in before.types():
        # What lies where now is what the other document begins with.
        before.layout(gpu_type)
    after = before.under(in_force, now)
    for facts in cards:
        after.put_gpu(facts)
    budgets = state.standings_under(in_force)
    after.spend(Spent.of(budgets))
    return QuotaPreview(
        beyond=new_excesses(before, after, state.people),
        budgets=tuple(
            each for each in budgets if each.is_over and each.whose not in state.held.spent.over
        ),
        brought_back=brought_back(before, after),
        claims=new_claims(before, after),
        jobs=job_changes(state.jobs, before, after, now),
        unmet=after.warnings(),
        rights=rights_changes(before.document, in_force, state.people, now),
        reservations=tell_reservations(document, now),
        warnings=(
            *document_warnings(in_force),
            *warnings_of_times(document, now),
            *unmatched_names(after),
        ),
        # The last: their graces end with it.
        ranks=rank_changes(before, after),
    )
