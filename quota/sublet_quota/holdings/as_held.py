"""What is held at one moment: what holdings under another document are made from.

Nothing changes in it, while the holdings that it was taken from go on changing: so the new ones can
be reckoned out beside them, and catch up in the end.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sublet_quota.amounts.node_amounts import NodeRoom
from sublet_quota.budgets.standing import NOTHING_SPENT, Spent
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.holdings.standing.counted import TypedKind
from sublet_quota.holdings.standing.group_trees import leaf_of
from sublet_quota.holdings.standing.type_standing import Turns
from sublet_quota.names.ids import GpuId, NodeId, SliceId, UserName
from sublet_quota.shares.group_tree import SPENT, GroupTree, NodeName


@dataclass(frozen=True, slots=True)
class AsHeld:
    """All slices and cards, with what each slice is entitled to."""

    document: QuotaDocument
    turns: Turns | None
    tree: GroupTree
    """The groups, without what they are guaranteed of any type."""
    slices: Mapping[SliceId, Holding]
    cards: tuple[GpuFacts, ...]
    """As they were told, whatever the document says of them."""
    typed: Mapping[GpuId, TypedKind]
    """What each card counts as, also of those that are gone while slices lie there."""
    lasting: Mapping[SliceId, int]
    """To how many steps each slice is entitled if there are enough cards."""
    in_force: Mapping[SliceId, int]
    """To how many with the cards that there are."""
    laid_out: Mapping[str, Layout]
    spent: Spent = NOTHING_SPENT
    """The budgets that are over."""
    host_memory: Mapping[NodeId, int] = field(default_factory=dict)
    """What suspended slices may take on each node, in MiB, as far as that is told."""
    nodes: Mapping[NodeId, NodeRoom] = field(default_factory=dict)
    """What each node has beside its GPUs, as far as that is told."""

    def leaf_for(self, holding: Holding) -> NodeName:
        """Return where a slice counts, budgets among it."""
        if self.spent.is_over(self.document, holding.group, holding.owner):
            return SPENT
        return leaf_of(self.tree, holding.group)


def successors(
    gone: Mapping[SliceId, Holding], new: Mapping[SliceId, Holding]
) -> Iterator[tuple[SliceId, SliceId]]:
    """Yield the new slices that come in the place of one of the same owner that is gone, with it.

    That are servers that restarted; each has one, the oldest first.
    """
    left: dict[UserName, list[Holding]] = {}
    for holding in sorted(gone.values(), key=lambda one: one.age, reverse=True):
        if holding.is_notebook:
            left.setdefault(holding.owner, []).append(holding)
    for holding in sorted(new.values(), key=lambda one: one.age):
        if holding.is_notebook and left.get(holding.owner):
            yield holding.slice_id, left[holding.owner].pop().slice_id
