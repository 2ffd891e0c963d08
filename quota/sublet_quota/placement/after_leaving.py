"""Who pays for a slice whose owner has left the group that paid, once the grace is over."""

from sublet_quota.admission.other_payer import other_payer
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName


def payer_after_leaving(holdings: Holdings, holding: Holding) -> GroupName | None:
    """Return a group in which the owner is, whose rights and limits allow the slice, or ``None``.

    One whose hours are not over goes before others, then one that is guaranteed the slice, then the
    one with most room. Where none may pay nobody's group does, and the slice is borrowed: nothing
    is ended.
    """
    found = (other_payer(holdings, holding, group) for group in holding.member_of)
    may_pay = (each for each in found if each is not None)
    best = min(may_pay, key=lambda each: each.turn, default=None)
    return None if best is None else best.group
