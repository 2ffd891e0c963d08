"""Who pays for a slice whose owner has left the group that paid, once the grace is over."""

from sublet_quota.admission.met_limits import Asked, Without, beyond, group_bounds
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName


def payer_after_leaving(holdings: Holdings, holding: Holding) -> GroupName | None:
    """Return a group in which the owner is, within whose limits the slice stays; ``None`` for none.

    One whose hours are not over goes before others, then one that is guaranteed the slice. Where
    none has room nobody's group pays, and the slice is borrowed: nothing is ended.
    """
    facts, gpu_type = holdings.gpu(holding.gpu_id), holdings.type_of(holding.gpu_id)
    piece = holdings.piece(holding.slice_id)
    if facts is None or gpu_type is None or piece is None:
        return None
    asked = Asked(facts.kind, gpu_type, holding.amount, piece.cards)
    world = Without(holdings, gone=(holding,))

    def missing_steps(group: GroupName) -> int:
        leaf = holdings.leaf_for(group, holding.owner)
        depth = len(holdings.tree(gpu_type).paths[leaf])
        return depth - holdings.steps_at(gpu_type, leaf, piece.cards)

    may_pay = (
        group
        for group in holding.member_of
        if group in holdings.document.all_groups
        and beyond(group_bounds(world, group, asked)) is None
    )

    def turn(group: GroupName) -> tuple[bool, int, GroupName]:
        return holdings.is_spent(group, holding.owner), missing_steps(group), group

    return min(may_pay, key=turn, default=None)
