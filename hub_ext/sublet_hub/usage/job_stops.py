"""Since when jobs stand still, and for how long they have, as agents' reports tell of it.

What is over the ledger is told of as it is charged (``ChargedUses``); since when who stands still
does is stored once a minute, so that a service that starts anew goes on from there.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.job_stops import JobStop, stop_of
from sublet_quota.wire.agent_link import SliceReport

from sublet_hub.ledger.database import LedgerReadError
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.state.fleet import NodeView

_LOG = logging.getLogger(__name__)
_STORED_AFTER: Final = timedelta(minutes=1)
"""Shorter stops, as those of turns, are over before that is worth a row."""
_NO_TIME: Final = timedelta()

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
        for record in ledger.slices.values():
            if _has_begun(ledger, record):
                self._since[record.slice_id] = record.stands_since
        self._stood = _known_stops(ledger, self._since, now())
        """For how long each slice stood still in all stops that are over."""
        ledger.listen(self._ledger_changed)

    def on_end(self, listener: StopListener) -> None:
        """Call ``listener`` with each time in which a job stood still, once it runs again."""
        self._on_end.append(listener)

    def since(self, slice_id: SliceId) -> datetime | None:
        """Return since when a job's slice stands still; ``None`` where it does not, or unknown."""
        return self._since.get(slice_id)

    def stood(self, slice_id: SliceId | None) -> timedelta:
        """Return for how long a job's slice has stood still by now; ``None``: it has none."""
        if slice_id is None:
            return _NO_TIME
        since = self._since.get(slice_id)
        lasts = _NO_TIME if since is None else self._now() - since
        return self._stood.get(slice_id, _NO_TIME) + lasts

    def unstored(self) -> Iterator[SliceRecord]:
        """Yield the slices of which the ledger does not know since when they stand still."""
        now, slices = self._now(), self._ledger.slices
        for slice_id, since in self._since.items():
            record = slices.get(slice_id)
            if record is None or record.stands_since == since:
                continue
            is_short = since is not None and now - since < _STORED_AFTER
            known = None if is_short else since
            if record.stands_since != known:
                yield replace(record, stands_since=known)

    def take(self, view: NodeView) -> None:
        """Take a node's report."""
        for record in self._ledger.slices_on_node(view.node):
            report = view.slices.get(record.slice_id)
            if not record.is_job or report is None:
                continue
            slice_id = record.slice_id
            if stop_in(report) is None:
                self._end(slice_id)
            elif self._since.get(slice_id) is None and _has_begun(self._ledger, record):
                self._since[slice_id] = self._now()

    def _end(self, slice_id: SliceId) -> None:
        since, self._since[slice_id] = self._since.get(slice_id), None
        if since is not None:
            self._stood[slice_id] = self._stood.get(slice_id, _NO_TIME) + self._now() - since
            for listener in self._on_end:
                listener(slice_id, since, self._now())

    def _ledger_changed(self, change: Change) -> None:
        # Others who hear of the same change still find since when a job stood still.
        for slice_id in self._released:
            self._since.pop(slice_id, None)
            self._stood.pop(slice_id, None)
        self._released = change.released


def _has_begun(ledger: Ledger, record: SliceRecord) -> bool:
    """Whether a slice is a job's that runs, or stands still."""
    job = None if record.job_id is None else ledger.live_jobs.get(record.job_id)
    return record.is_job and job is not None and job.state is JobState.RUNNING


def _known_stops(
    ledger: Ledger, slices: Mapping[SliceId, datetime | None], now: datetime
) -> dict[SliceId, timedelta]:
    """Return for how long slices stood still, as the ledger was told, in stops that are over.

    ``slices``: since when each stands still now; ``None``: it does not. Of a slice that was charged
    otherwise meanwhile the ledger was told of that stop's first part already.
    """
    found: dict[SliceId, timedelta] = {}
    if not slices:
        return found
    since = min(ledger.slices[slice_id].created_at for slice_id in slices)
    try:
        for period in ledger.held_periods(since, now):
            slice_id = SliceId(period.slice_id)
            if slice_id in slices:
                off = timedelta(seconds=period.off_s)
                stands_since = slices[slice_id]
                if period.ended_at is None and stands_since is not None:
                    off -= max(_NO_TIME, period.began_at - stands_since)
                found[slice_id] = found.get(slice_id, _NO_TIME) + off
    except LedgerReadError as error:
        _LOG.error("how long jobs stood still before is not known whole: %s", error)
    return found
