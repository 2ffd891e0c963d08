"""The document's groups as trees of shares, one for each GPU type; all have the same nodes."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from sublet_quota.document.lookups.group_budgets import has_budgets
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import GroupQuota
from sublet_quota.names.ids import GroupName
from sublet_quota.shares.cards import NO_CARD, total
from sublet_quota.shares.group_tree import GroupNode, GroupTree, NodeName
from sublet_quota.shares.lots import lot_of


def tree_of(document: QuotaDocument, gpu_type: str | None) -> GroupTree:
    """Return the groups with what each is guaranteed of a type; ``None``: of no type, nothing.

    Where there are budgets there is a leaf for those that are over, too.
    """
    groups = _nodes(document.groups, gpu_type)
    return GroupTree.of(groups, with_spent=has_budgets(document))


def leaf_of(tree: GroupTree, group: GroupName | None) -> NodeName:
    """Return where a slice counts that a group pays for.

    One of a group that the document does not have (any more) is the root's own.
    """
    name = None if group is None else NodeName(group)
    return tree.leaf_of(name if name in tree.nodes else None)


def _nodes(groups: Mapping[str, GroupQuota], gpu_type: str | None) -> Iterator[GroupNode]:
    for name, quota in groups.items():
        children = tuple(_nodes(quota.groups, gpu_type))
        promised = total(child.guaranteed for child in children)
        guaranteed = max(promised, quota.guaranteed.get(gpu_type or "", NO_CARD))
        yield GroupNode(
            NodeName(name), quota.weight, guaranteed, _limit(quota, gpu_type, guaranteed), children
        )


def _limit(quota: GroupQuota, gpu_type: str | None, guaranteed: Fraction) -> Fraction | None:
    """Return the most that shares give; an exception may have left it below the guarantee."""
    limit = quota.limit.types.get(gpu_type or "")
    return max(limit, guaranteed) if isinstance(limit, Fraction) else None


class TurnsByLot(Mapping[NodeName, tuple[int, int]]):
    """The order in which odd cards go while nobody's past use is known: by lot."""

    def __init__(self, tree: GroupTree) -> None:
        self._tree = tree

    def __getitem__(self, name: NodeName) -> tuple[int, int]:
        """Return a node's place, the same for all, and its lot."""
        if name not in self._tree.nodes:
            raise KeyError(name)
        return 0, lot_of(name)

    def __iter__(self) -> Iterator[NodeName]:
        return iter(self._tree.nodes)

    def __len__(self) -> int:
        return len(self._tree.nodes)
