"""What groups and persons hold, by which right, and how they stand: what is read of standings."""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from sublet_quota.budgets.standing import Spent
from sublet_quota.holdings.standing.accounts import entitled_amounts
from sublet_quota.holdings.standing.standings import Standings
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import GroupTree, NodeName
from sublet_quota.shares.in_force import GuaranteesCut
from sublet_quota.shares.limits import Amounts
from sublet_quota.shares.reclaim import Position

NO_ASKS: Final[Mapping[NodeName, Fraction]] = MappingProxyType({})


class HeldSums:
    """Sums by group, person and type; they go on changing."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    def lot(self, name: str) -> int:
        """Return the lot of a type or a model: by it types that are alike come in an order."""
        return self._standings.lot(name)

    def cards(self, gpu_type: str) -> Fraction:
        """Return the open cards of a type."""
        return self._standings.of_type(gpu_type).cards

    @property
    def groups(self) -> GroupTree:
        """The groups, without what they are guaranteed of any type."""
        return self._standings.tree

    def tree(self, gpu_type: str) -> GroupTree:
        """Return the groups with the guarantees of a type that are in force."""
        return self._standings.of_type(gpu_type).tree

    @property
    def spent(self) -> Spent:
        """The budgets that are over: what these pay for counts as borrowed with weight 0."""
        return self._standings.spent

    def is_spent(self, group: GroupName | None, owner: UserName) -> bool:
        """Whether a budget is over of what a group pays for somebody."""
        return self._standings.is_spent(group, owner)

    def leaf(self, group: GroupName | None) -> NodeName:
        """Return where a slice counts that a group pays for; the same for all types.

        Of a group that the document does not have, as of none: among the root's direct members.
        """
        return self._standings.leaf(group)

    def leaf_for(self, group: GroupName | None, owner: UserName) -> NodeName:
        """Return the same of what a group pays for somebody: it is another where that is spent."""
        return self._standings.leaf_for(group, owner)

    def held(self, node: NodeName) -> Amounts:
        """Return the slices of a group, with all that is in it; jobs are apart."""
        return self._standings.held(node)

    def entitled_beside(self, gpu_type: str, leaf: NodeName, at: int, steps: int) -> Amounts:
        """Return what stays entitled at ``at`` on the way to a leaf beside one more slice there.

        ``steps``: to how many of that way the slice would be entitled, at least to the next one.
        """
        path = self._standings.tree.paths[leaf]
        return entitled_amounts(
            (
                name,
                standing.entitled_beside(path, at, steps)
                if name == gpu_type
                else standing.entitled_inside(path[at]),
            )
            for name, standing in self._standings.of_types()
        )

    def entitled_inside(self, node: NodeName) -> Amounts:
        """Return what is entitled in the groups of a node; at a leaf what is entitled there."""
        of_types = self._standings.of_types()
        return entitled_amounts((name, each.entitled_inside(node)) for name, each in of_types)

    def entitled_jobs_held(self, node: NodeName) -> Amounts:
        """Return what entitled jobs of a group have, with all that is in it."""
        return self._standings.entitled_jobs_held(node)

    def jobs_by_right(self, node: NodeName) -> Amounts:
        """Return what of that jobs have that are wholly within their groups' guarantees."""
        return self._standings.jobs_by_right(node)

    def jobs_held(self, node: NodeName) -> Amounts:
        """Return what jobs of a group have, with all that is in it."""
        return self._standings.jobs_held(node)

    def jobs_held_back(self, node: NodeName) -> Amounts:
        """Return what of that jobs have that stand still below a limit."""
        return self._standings.held_back(node)

    def jobs_held_back_by(self, owner: UserName) -> Amounts:
        """Return what jobs of a person have that stand still below a limit."""
        return self._standings.held_back_by(owner)

    def jobs_filling(self, node: NodeName, gpu_type: str) -> Fraction:
        """Return which cards of jobs fill a group's guarantee: what is spent fills none."""
        return self._standings.jobs_filling(node, gpu_type)

    def held_by(self, owner: UserName) -> Amounts:
        """Return the slices of a person."""
        return self._standings.held_by(owner)

    def jobs_held_by(self, owner: UserName) -> Amounts:
        """Return what jobs of a person have."""
        return self._standings.jobs_held_by(owner)

    def steps_as_before(
        self, gpu_type: str, group: GroupName | None, cards: Fraction, steps: int
    ) -> int:
        """Return the same of a slice that counts as before, entitled to so many steps then."""
        standing = self._standings.of_type(gpu_type)
        return standing.steps_as_before(self._standings.leaf(group), cards, steps)

    def called_back_sums(self, gpu_type: str) -> Mapping[NodeName, Fraction]:
        """Return what slices that were called back hold of a type at each node but the root."""
        return self._standings.called_back_sums(gpu_type)

    def entitled_steps(self, gpu_type: str, group: GroupName | None, cards: Fraction) -> int:
        """Return to how many steps of its way one more slice of a group would be entitled now."""
        return self.steps_at(gpu_type, self._standings.leaf(group), cards)

    def guarantees_cut(self, gpu_type: str) -> GuaranteesCut | None:
        """Return what is guaranteed of a type, and the cards for it, where these are too few."""
        standing = self._standings.of_type(gpu_type)
        return standing.cut if standing.tree is not standing.told else None

    def is_entitled(self, slice_id: SliceId) -> bool:
        """Whether a slice is within a guarantee, its group's or one of a group above."""
        return self._standings.is_entitled(slice_id)

    def steps_at(self, gpu_type: str, leaf: NodeName, cards: Fraction) -> int:
        """Return to how many steps of its way one more slice of a leaf would be entitled now."""
        return self._standings.of_type(gpu_type).steps_for(leaf, cards)

    def lasting_steps(self) -> Mapping[SliceId, int]:
        """Return what each slice is entitled to if there are enough cards: to be kept for later."""
        return dict(self._standings.lasting_steps())

    def steps_in_force(self) -> Mapping[SliceId, int]:
        """Return what each slice is entitled to with the cards that there are."""
        return dict(self._standings.steps_in_force())

    def ranks_told(self) -> Mapping[SliceId, Rank]:
        """Return which ranks ``ranks_changed`` has told."""
        return self._standings.ranks_told()

    def position(self, gpu_type: str, asks: Mapping[NodeName, Fraction] = NO_ASKS) -> Position:
        """Return how the groups stand on a type.

        ``asks``: what leaves ask for beyond what they hold, the request that is decided among it.
        Its sums are those of this moment, and go on changing.
        """
        return self._standings.of_type(gpu_type).position(asks)
