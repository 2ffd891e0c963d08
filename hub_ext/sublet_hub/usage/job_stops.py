"""Since when jobs stand still, as agents' reports tell of it.

Seen, not kept: of a job that stood still already when the service started it is not known.
"""

from collections.abc import Callable
from datetime import datetime

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.job_stops import JobStop, stop_of
from sublet_quota.wire.agent_link import SliceReport

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change
from sublet_hub.state.fleet import NodeView


def stop_in(report: SliceReport) -> JobStop | None:
    """Return how a job stands still by what its agent says of its slice; ``None``: it runs."""
    return stop_of(report.state, None if report.wait is None else report.wait.reason)


class JobStops:
    """The slices of jobs that stand still, and those that were seen to run."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._since: dict[SliceId, datetime | None] = {}
        """Since when each job's slice stands still; ``None``: it runs."""
        ledger.listen(self._ledger_changed)

    def since(self, slice_id: SliceId) -> datetime | None:
        """Return since when a job's slice stands still; ``None`` where it does not, or unknown."""
        return self._since.get(slice_id)

    def take(self, view: NodeView) -> None:
        """Take a node's report."""
        for record in self._ledger.slices_on_node(view.node):
            report = view.slices.get(record.slice_id)
            if not record.is_job or report is None:
                continue
            slice_id = record.slice_id
            if stop_in(report) is None:
                self._since[slice_id] = None
            elif slice_id in self._since and self._since[slice_id] is None:
                self._since[slice_id] = self._now()

    def _ledger_changed(self, change: Change) -> None:
        for slice_id in change.released:
            self._since.pop(slice_id, None)
