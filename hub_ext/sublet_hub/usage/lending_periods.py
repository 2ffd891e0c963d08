"""Since when each slice is lent, and when it last was: kept with the slice, in the ledger.

A slice that was lent when its agent fell silent is lent until the agent says otherwise.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sublet_quota.names.ids import JobId, SliceId
from sublet_quota.wire.agent_link import SliceReport

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.state.fleet import NodeView


class LentTimes:
    """The beginnings and ends of lending, as agents' reports tell of them."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._jobs: dict[SliceId, JobId] = {}
        """The job that each lent slice is lent to; of several, the last that was seen."""
        ledger.listen(self._ledger_changed)

    def take(self, view: NodeView) -> None:
        """Take a node's report."""
        now = self._now()
        changed = [
            after
            for record in self._ledger.slices_on_node(view.node)
            if not record.is_job
            and record.slice_id in view.slices
            and (after := self._look_at(record, view.slices[record.slice_id], now)) is not None
        ]
        if changed:
            self._ledger.apply(Change(slices=tuple(changed)), now)

    def _look_at(
        self, record: SliceRecord, report: SliceReport, now: datetime
    ) -> SliceRecord | None:
        """Return the slice with what is news about its lending, or ``None``."""
        for lent_to in report.lent_to:
            borrower = self._ledger.slices.get(SliceId(lent_to))
            if borrower is not None and borrower.job_id is not None:
                self._jobs[record.slice_id] = borrower.job_id
        if report.lent_to and record.lent_since is None:
            return replace(record, lent_since=now)
        if not report.lent_to and record.lent_since is not None:
            return replace(
                record,
                lent_since=None,
                last_lent_from=record.lent_since,
                last_lent_until=now,
                last_lent_job=self._jobs.pop(record.slice_id, None),
            )
        return None

    def _ledger_changed(self, change: Change) -> None:
        for slice_id in change.released:
            self._jobs.pop(slice_id, None)
