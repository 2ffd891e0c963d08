"""Who gets a place when a reservation or an exception ends, as far as that surely follows.

Such an end ends no slice: what was entitled by it is borrowed from then on, and what somebody could
have by it they keep. So nothing is free for that alone, and no time follows from it for most. It is
another matter for who would have their turn if the document of that moment were in force with the
slices of now: who is within a guarantee then, within a share from which room is taken, or below a
limit that was lower. Whether there is one is decided as turns are.

Only the first of the line is told, and only of the first such moment: what follows for those behind
hangs on what it takes. Nothing is told where another reservation begins about then, as its room is
kept from others, and nothing while somebody's turn has come.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.document.lookups.reservations import coming, next_time_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.kept_cards import KEPT_FOR
from sublet_quota.jobs.turns.past_uses import PastUse
from sublet_quota.placement.reserved_room import LOOK_AHEAD
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.server_queue import ExpectedFrom
from sublet_quota.server_queue.line_order import in_order
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.turns import next_placed
from sublet_quota.shares.fair_order import RequestId

MOST_MOMENTS: Final = 3
"""So many ends are looked at: each takes as long as another document."""


@dataclass(frozen=True, slots=True)
class RightsEnd:
    """When somebody gets a place as others' rights end, and which."""

    at: datetime
    by: ExpectedFrom
    placement: Placement
    gpu_type: str


def rights_ends(
    holdings: Holdings, line: Sequence[QueuedServer], past: PastUse, now: datetime
) -> Mapping[RequestId, RightsEnd]:
    """Return whose turn surely comes when a reservation or an exception ends: one at most."""
    written = holdings.document.as_written
    wait_most = holdings.document.notebooks.wait_most
    moments = tuple(_moments(written, now, now + wait_most))[:MOST_MOMENTS]
    if not moments or next_placed(holdings, in_order(holdings, line, past)) is not None:
        return {}
    for at, by in moments:
        then = holdings.under(written.at(at), at, timedelta())
        still = [each for each in line if at - each.since < wait_most]
        turn = next_placed(then, in_order(then, still, past))
        if turn is not None:
            name = then.type_of(turn.placement.gpu_id) or ""
            return {turn.server.request_id: RightsEnd(at, by, turn.placement, name)}
    return {}


def _moments(
    written: QuotaDocument, now: datetime, until: datetime
) -> Iterator[tuple[datetime, ExpectedFrom]]:
    """Yield the ends till a time about which nothing else begins, the first one first."""
    found = {
        each.until: ExpectedFrom.EXCEPTION_ENDS
        for each in written.exceptions
        if each.until is not None and now < each.until <= until
    }
    for each in written.reservations:
        time = next_time_of(each, now)
        if time is not None and time[0] <= now and time[1] <= until:
            found[time[1]] = ExpectedFrom.RESERVATION_ENDS
    for at, by in sorted(found.items()):
        if not coming(written.reservations, at - KEPT_FOR, KEPT_FOR + LOOK_AHEAD):
            yield at, by
