"""Whose turn it is: the first of the line that finds a place now."""

from collections.abc import Sequence
from dataclasses import dataclass

from sublet_quota.holdings.holdings import Holdings
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.walk import walk


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
