"""How the budgets of groups stand: gauges by group. Nothing here is of one person."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from sublet_quota.budgets.standing import BudgetStanding
from sublet_quota.shares.group_tree import NodeName

from sublet_hub.state.capacity import Capacity
from sublet_hub.state.collectors.group_labels import GROUP, node_labels
from sublet_hub.state.collectors.stepped import SteppedCollector, in_parts

GroupBudgets = Callable[[], Iterable[BudgetStanding]]
"""Returns how the budgets of groups together stood when they were looked at last."""


class BudgetCollector(SteppedCollector):
    """The gauges of budgets."""

    def __init__(self, capacity: Capacity, budgets: GroupBudgets) -> None:
        self._capacity = capacity
        self._budgets = budgets

    def steps(self) -> Iterator[Metric | None]:
        """Yield all gauges, after a step for some of the groups."""
        charged, left, over = (
            GaugeMetricFamily(f"sublet_group_budget_{name}", words, labels=GROUP)
            for name, words in (
                ("charged_hours", "Hours charged to the group's budget, less what is credited"),
                ("left_hours", "Hours that are left of the group's budget"),
                ("over", "1 where the group's budget is spent"),
            )
        )
        tree = self._capacity.holdings.groups
        for some in in_parts(self._budgets()):
            for standing in some:
                name = NodeName(standing.group)
                if name not in tree.paths:
                    continue
                labels = node_labels(tree, name)
                charged.add_metric(labels, float(standing.spent))
                left.add_metric(labels, float(standing.left))
                over.add_metric(labels, standing.is_over)
            yield None
        yield from (charged, left, over)
