"""Whose turn it is: the first of the line that finds a place now; and whom no waiting helps."""

from collections.abc import Sequence
from dataclasses import dataclass

from sublet_quota.admission.denial import Denial
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.placement.slice_placement import Placement, tell
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.server_queue.queued_server import QueuedServer, may_wait
from sublet_quota.server_queue.walk import Step, walk


@dataclass(frozen=True, slots=True)
class Turn:
    """A notebook whose turn has come, with its place."""

    server: QueuedServer
    placement: Placement


def next_placed(holdings: Holdings, ordered: Sequence[QueuedServer]) -> Turn | None:
    """Return the first of those in line, which are in their order, that has a place now.

    Once the place is taken, the next is asked for anew: the holdings are others then.
    """
    for step in walk(holdings, ordered):
        if isinstance(step.answer, Placement):
            return Turn(step.server, step.answer)
    return None


def no_waiting_helps(step: Step) -> Refusal | None:
    """Return the refusal of one in line whom neither time nor others can bring a place.

    Such a request never joins the line; it is in it where document or rights changed since.
    """
    if not isinstance(step.answer, Denial) or step.answer.rule is Rule.ROOM:
        return None
    refusal = tell(step.question, step.answer)
    return None if may_wait(refusal) else refusal
