"""What each group holds and is due of each type of card: sums that the holdings keep.

Groups that hold nothing of a type and are due nothing of it have no metrics of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import ROOT, GroupTree, NodeName

from sublet_hub.state.capacity import Capacity
from sublet_hub.state.collectors.group_labels import GROUP, GROUP_AND_TYPE, node_labels
from sublet_hub.state.collectors.stepped import SteppedCollector, in_parts

_FAMILIES: Final[Mapping[str, str]] = {
    "guaranteed": "Cards that the quota document guarantees to the group now",
    "guaranteed_in_force": "Cards of the group's guarantee that the open cards can keep",
    "limit": "Cards that the group may have at most, where that is limited",
    "held": "Cards that notebooks of the group have",
    "entitled": "Cards of those held that are within the group's guarantee",
    "borrowed": "Cards of those held that are not within the group's guarantee",
    "job": "Cards that jobs of the group have",
}


class GroupCollector(SteppedCollector):
    """The gauges of groups by type."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity

    def steps(self) -> Iterator[Metric | None]:
        """Yield all gauges, after a step for some groups of each type."""
        families = {
            name: GaugeMetricFamily(f"sublet_group_{name}_cards", words, labels=GROUP_AND_TYPE)
            for name, words in _FAMILIES.items()
        }
        holdings = self._capacity.holdings
        for gpu_type in holdings.types():
            for names in in_parts(holdings.tree(gpu_type).nodes):
                _read(families, holdings, gpu_type, names)
                yield None
        yield from families.values()
        yield _weights(holdings.groups)


def _weights(tree: GroupTree) -> GaugeMetricFamily:
    """Return the weights: the one metric that there is of every group, whatever it holds."""
    weights = GaugeMetricFamily(
        "sublet_group_weight", "The group's part of what guarantees leave", labels=GROUP
    )
    for name, node in tree.nodes.items():
        if name != ROOT:
            weights.add_metric(node_labels(tree, name), node.weight)
    return weights


def _read(
    families: Mapping[str, GaugeMetricFamily],
    holdings: Holdings,
    gpu_type: str,
    names: Sequence[NodeName],
) -> None:
    position = holdings.position(gpu_type)
    for name in names:
        node = position.tree.nodes[name]
        held, entitled = position.held[name], position.entitled[name]
        amounts: dict[str, Fraction] = {
            "guaranteed": _guaranteed(holdings.document, name, gpu_type),
            "guaranteed_in_force": node.guaranteed,
            "held": held,
            "entitled": entitled,
            "borrowed": held - entitled,
            "job": holdings.jobs_held(name).cards.get(gpu_type, NO_CARD),
        }
        if name == ROOT or not any(amounts.values()):
            continue
        if node.limit is not None:
            amounts["limit"] = node.limit
        labels = (*node_labels(position.tree, name), gpu_type)
        for each, cards in amounts.items():
            families[each].add_metric(labels, float(cards))


def _guaranteed(document: QuotaDocument, name: NodeName, gpu_type: str) -> Fraction:
    group = document.all_groups.get(GroupName(name))
    return NO_CARD if group is None else Fraction(group.guaranteed.get(gpu_type, NO_CARD))
