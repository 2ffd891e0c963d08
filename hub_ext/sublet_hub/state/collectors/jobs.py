"""The jobs that wait or run, by state and by the group that pays: those that ended are not there.

What ended is counted as it ends (``waits``).
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric
from sublet_quota.life_cycles.job_states import ENDED, JobState

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.collectors.gauges import gauge_of
from sublet_hub.state.collectors.group_labels import GROUP, payer_labels
from sublet_hub.state.collectors.stepped import SteppedCollector, in_parts


class JobCollector(SteppedCollector):
    """The gauges of jobs."""

    def __init__(self, ledger: Ledger, capacity: Capacity) -> None:
        self._ledger = ledger
        self._capacity = capacity

    def steps(self) -> Iterator[Metric | None]:
        """Yield all gauges, after a step for some jobs each."""
        holdings = self._capacity.holdings
        states: Counter[tuple[str, ...]] = Counter(
            {(state.value,): 0 for state in JobState if state not in ENDED}
        )
        of_groups: Counter[tuple[str, ...]] = Counter()
        for part in in_parts(self._ledger.live_jobs.values()):
            for job in part:
                states[job.state.value,] += 1
                for group in payer_labels(holdings, job.group):
                    of_groups[*group, job.state.value] += 1
            yield None
        yield gauge_of("sublet_jobs", "Jobs that wait or run, by state", ("state",), states)
        yield gauge_of(
            "sublet_group_jobs",
            "Jobs of the group that wait or run, by state",
            (*GROUP, "state"),
            of_groups,
        )
