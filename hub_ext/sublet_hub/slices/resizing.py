"""The change of a slice's size where it is, live; ``sublet_quota.placement.resize`` decides.

Each is kept, for the hours that are reckoned from it, and others may make way for it: so it has a
budget of its own, as keeping and waking have.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sublet_quota.placement.resize import NewSize, Resized, decide_resize
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import ConflictError
from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.security.rate_limits import Rate, RateLimits, take_or_refuse
from sublet_hub.slices.places import held_back_by, others_of
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet


class Resizing:
    """The changes of notebook slices' sizes."""

    def __init__(
        self,
        ledger: Ledger,
        fleet: Fleet,
        capacity: Capacity,
        rate: Rate,
        now: Callable[[], datetime],
    ) -> None:
        """``rate``: how often an owner's slices may become of another size."""
        self._limits = RateLimits(rate)
        self._ledger = ledger
        self._fleet = fleet
        self._capacity = capacity
        self._now = now

    def resize(
        self, record: SliceRecord, new: NewSize, groups: tuple[str, ...]
    ) -> SliceRecord | Refusal:
        """Give the slice another size and return it, or the refusal.

        ``groups`` are those of the hub that the owner is in by now.
        ``ConflictError`` for a job's, and for one whose size the cluster fixes;
        ``TooManyRequestsError``.
        """
        if record.is_job:
            message = f"slice {record.slice_id} is a training job's: only notebooks' can be resized"
            raise ConflictError(message)
        if record.never_suspended is not None:
            # Engines that keep slices apart themselves never suspend, and are told the size once.
            message = (
                "the cluster fixes this slice's size when its server starts: stop the server, and "
                "pick another size when you start it again"
            )
            raise ConflictError(message)
        if self._fleet.is_silent(record.gpu.node):
            message = (
                f"the agent of node {record.gpu.node} does not report: what the slice holds is not "
                "known, so it keeps its size for now"
            )
            raise ConflictError(message)
        answer = self._decide(record, new, groups)
        if isinstance(answer, Refusal):
            return answer
        take_or_refuse(self._limits, record.owner, "slices were resized")
        now = self._now()
        after = replace(
            record,
            memory_mib=answer.amount.memory_mib,
            compute_milli=answer.amount.compute_milli,
            size=answer.size,
            group=answer.group,
            before_until=None if answer.before is None else answer.before.until,
            before_steps=None if answer.before is None else answer.before.steps,
        )
        beside = others_of(self._ledger, answer, after, now, answer.moves)
        others, events = held_back_by(self._ledger, answer.holds_back, after, now, beside)
        told = slice_event(EventKind.SLICE_RESIZED, after, now, str(answer.amount))
        self._ledger.apply(Change(slices=(after, *others), events=(told, *events)), now)
        return after

    def _decide(
        self, record: SliceRecord, new: NewSize, groups: tuple[str, ...]
    ) -> Resized | Refusal:
        report = self._fleet.report(record.slice_id)
        held_mib = 0 if report is None else _held_mib(report)
        holdings = self._capacity.holdings
        with holdings.without(record.slice_id) as holding:
            if holding is None:
                message = f"slice {record.slice_id} is being released"
                raise ConflictError(message)
            return decide_resize(holdings, holding, groups, new, held_mib)


def _held_mib(report: SliceReport) -> int | None:
    return report.memory_mib + report.host_mib if report.memory_told else None
