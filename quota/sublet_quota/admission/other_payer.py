"""Which other of its owner's groups may pay for a slice that is there, and which pays best."""

from dataclasses import dataclass
from fractions import Fraction

from sublet_quota.admission.met_limits import Asked, Without, beyond, group_bounds
from sublet_quota.admission.slice_request import amount_of, sizes_for
from sublet_quota.document.right_values import PayerRights
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName
from sublet_quota.shares.lots import lot_of

Turn = tuple[bool, int, bool, Fraction, int]


@dataclass(frozen=True, slots=True)
class OtherPayer:
    """A group whose rights and limits allow a slice that another group pays for now."""

    holding: Holding
    group: GroupName
    asked: Asked
    """The slice as limits count it."""
    is_spent: bool
    """Whether a budget is over of what the group pays for the owner."""
    steps: int
    """To how many steps of the group's path the slice would be entitled."""
    depth: int
    """How many steps that path has."""
    room: Fraction | None
    """How many such slices the tightest limit has room for; ``None``: no limit."""

    @property
    def turn(self) -> Turn:
        """What the best one has the least of.

        Ended budgets, then missing steps; then it is the most room, then the lot of the slice.
        """
        return (
            self.is_spent,
            self.depth - self.steps,
            self.room is not None,
            Fraction(0) if self.room is None else -self.room,
            lot_of(f"{self.holding.slice_id} {self.group}"),
        )


def other_payer(holdings: Holdings, holding: Holding, group: GroupName) -> OtherPayer | None:
    """Return a group as it would pay for a slice instead of who pays now; ``None``: it may not.

    Its types and sizes must allow the slice, and its limits and those of all above it.
    """
    facts, gpu_type = holdings.gpu(holding.gpu_id), holdings.type_of(holding.gpu_id)
    piece = holdings.piece(holding.slice_id)
    if facts is None or gpu_type is None or piece is None:
        return None
    leaf = holdings.leaf_for(group, holding.owner)
    steps = holdings.steps_at(gpu_type, leaf, piece.cards)
    asked = Asked(facts.kind, gpu_type, holding.amount, piece.cards, steps)
    payer = _payer(holdings, holding, group)
    if payer is None or not _may_pay(holdings, payer, asked):
        return None
    met = group_bounds(Without(holdings, gone=(holding,)), group, asked)
    if beyond(met) is not None:
        return None
    return OtherPayer(
        holding,
        group,
        asked,
        holdings.is_spent(group, holding.owner),
        steps,
        len(holdings.tree(gpu_type).paths[leaf]),
        met[0].room / met[0].asked if met else None,
    )


def _payer(holdings: Holdings, holding: Holding, group: GroupName) -> PayerRights | None:
    """Return the rights of what another group would pay, as far as they are known of a slice."""
    known = holdings.document.all_groups
    if group not in known:
        return None
    members = known[group].members
    rights = rights_of(holdings.document, holding.owner, (group,) if members is None else members)
    return rights.payer(group) if group in rights.groups else None


def _may_pay(holdings: Holdings, payer: PayerRights, asked: Asked) -> bool:
    """Whether a payer's types and sizes allow the slice: as one of its sizes, or as amounts."""
    if not payer.allows_type(asked.gpu_type):
        return False
    sizes = (
        amount_of(size, asked.kind)
        for size in sizes_for(holdings.document, payer).values()
        if size.may_lie_on(asked.gpu_type)
    )
    if payer.own_amounts.value:
        return any(asked.amount.fits_in(amount) for amount in sizes)
    return asked.amount in sizes
