"""The labels by which metrics tell groups apart: the groups of the document, a closed set.

``group`` is a group with all that is in it; ``parent`` is the group that it is in, empty for those
at the top: what these have together is the whole. Direct members of a group with groups in it are
one more, with the tree's own name for them (``science/``); ``/`` is who is in no group, and where
there are budgets ``//`` is what those pay for that are over. A group that the document does not
have counts as none. Nothing here is ever the name of a person.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client import Counter, Histogram
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName
from sublet_quota.shares.group_tree import ROOT, GroupTree, NodeName, direct_members

from sublet_hub.state.capacity import Capacity

GROUP: Final = ("group", "parent")
GROUP_AND_TYPE: Final = (*GROUP, "gpu_type")
NO_GROUP: Final = str(direct_members(ROOT))
UNKNOWN: Final = ""
"""The label's value where something is not known, such as the type of a card that is gone."""


def group_label(document: QuotaDocument, group: GroupName | None) -> str:
    """Return the label of a group that pays, as the document in force has it."""
    return group if group is not None and group in document.all_groups else NO_GROUP


def node_labels(tree: GroupTree, name: NodeName) -> tuple[str, str]:
    """Return the labels of a node of the tree: its own and its parent's."""
    path = tree.paths[name]
    return str(name), str(path[-2]) if len(path) > 1 else ""


def payer_labels(holdings: Holdings, group: GroupName | None) -> Iterator[tuple[str, str]]:
    """Yield the labels of the group that pays, and of all above it."""
    tree = holdings.groups
    return (node_labels(tree, name) for name in tree.paths[holdings.leaf(group)])


class CountsByGroup:
    """Counters and histograms by group, which forget the groups that the document has no more.

    And the GPU types of which there is neither a card nor a word in the document: an agent tells
    models as it likes, and each would be kept for good.
    """

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._under = capacity.holdings.document
        self._used: set[tuple[Counter | Histogram, tuple[str, ...]]] = set()

    def label(self, group: GroupName | None) -> str:
        """Return the label of a group that pays."""
        return group_label(self._capacity.holdings.document, group)

    def count(self, counter: Counter, *labels: str) -> None:
        """Count one more; the first label is the group's."""
        self._used.add((counter, labels))
        counter.labels(*labels).inc()

    def observe(self, histogram: Histogram, value: float, *labels: str) -> None:
        """Note one value; the first label is the group's, the last the GPU type's."""
        if (histogram, labels) not in self._used:
            # Also where nobody ever reads what was counted.
            self._forget_types()
            self._used.add((histogram, labels))
        histogram.labels(*labels).observe(value)

    def forget_gone(self) -> None:
        """Forget what was counted of groups that the document has no more, and of types."""
        self._forget_types()
        document = self._capacity.holdings.document
        if document is self._under:
            return
        self._under = document
        known = {*document.all_groups, NO_GROUP, UNKNOWN}
        for metric, labels in tuple(self._used):
            if labels[0] not in known:
                self._forget(metric, labels)

    def _forget_types(self) -> None:
        holdings = self._capacity.holdings
        counted = {labels[-1] for metric, labels in self._used if isinstance(metric, Histogram)}
        made_up = counted - holdings.document.gpu_types.keys() - {UNKNOWN}
        if not made_up:
            return
        gone = made_up - {holdings.type_of(gpu.gpu_id) for gpu in holdings.gpus()}
        for metric, labels in tuple(self._used):
            if isinstance(metric, Histogram) and labels[-1] in gone:
                self._forget(metric, labels)

    def _forget(self, metric: Counter | Histogram, labels: tuple[str, ...]) -> None:
        metric.remove(*labels)
        self._used.discard((metric, labels))
