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

StopListener = Callable[[SliceId, datetime, datetime], None]


def stop_in(report: SliceReport) -> JobStop | None:
    """Return how a job stands still by what its agent says of its slice; ``None``: it runs."""
    return stop_of(report.state, None if report.wait is None else report.wait.reason)


class JobStops:
    """The slices of jobs that stand still, and those that were seen to run."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._on_end: list[StopListener] = []
        self._released: tuple[SliceId, ...] = ()
        self._since: dict[SliceId, datetime | None] = {}
        """Since when each job's slice stands still; ``None``: it runs."""
        ledger.listen(self._ledger_changed)

    def on_end(self, listener: StopListener) -> None:
        """Call ``listener`` with each time in which a job stood still, once it runs again."""
        self._on_end.append(listener)

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
                self._end(slice_id)
            elif slice_id in self._since and self._since[slice_id] is None:
                self._since[slice_id] = self._now()

    def _end(self, slice_id: SliceId) -> None:
        since, self._since[slice_id] = self._since.get(slice_id), None
        if since is not None:
            for listener in self._on_end:
                listener(slice_id, since, self._now())

    def _ledger_changed(self, change: Change) -> None:
        # Others who hear of the same change still find since when a job stood still.
        for slice_id in self._released:
            self._since.pop(slice_id, None)
        self._released = change.released
