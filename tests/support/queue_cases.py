"""Cases of notebooks in line: a small hub with a line, whose turns are taken."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.jobs.turns.past_uses import NO_PAST_USE, PastUse
from sublet_quota.names.ids import UserName
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.server_queue.expected import Ends
from sublet_quota.server_queue.kept_times import kept_times
from sublet_quota.server_queue.line_order import in_order
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.rights_ends import rights_ends
from sublet_quota.server_queue.turns import next_placed
from sublet_quota.server_queue.waits import QueueWait, waits
from sublet_quota.shares.fair_order import RequestId

from tests.support.admission_cases import SmallHub
from tests.support.quota_cases import NOON


def queued(
    name: str,
    *groups: str,
    owner: str | None = None,
    minute: int = 0,
    lot: int = 0,
    **wish: Any,
) -> QueuedServer:
    """A notebook in line since so many minutes past noon; its owner has its name."""
    who = name if owner is None else owner
    asked = RequestedSlice(who, groups, **{"size": "half", **wish})
    return QueuedServer(
        request_id=RequestId(name),
        owner=UserName(who),
        server="",
        wish=asked,
        since=NOON + timedelta(minutes=minute),
        lot=lot,
    )


@dataclass
class HubWithLine:
    """A small hub, and who waits there."""

    hub: SmallHub
    line: list[QueuedServer] = field(default_factory=list)
    past: PastUse = NO_PAST_USE

    def order(self) -> tuple[QueuedServer, ...]:
        return in_order(self.hub.holdings, self.line, self.past)

    def names(self) -> str:
        return " ".join(each.request_id for each in self.order())

    def take_turns(self) -> dict[str, Placement]:
        """All whose turn it is get their slices, one after another."""
        given: dict[str, Placement] = {}
        while (turn := next_placed(self.hub.holdings, self.order())) is not None:
            name = turn.server.request_id
            given[name] = turn.placement
            self.hub.hand_out_placed(turn.placement, name)
            self.line.remove(turn.server)
        return given

    def waits(self, minute: int = 0, **ends: Any) -> dict[str, QueueWait]:
        now = NOON + timedelta(minutes=minute)
        found_then = rights_ends(self.hub.holdings, self.line, self.past, now)
        kept = kept_times(self.hub.holdings, now)
        known = Ends(now, of_rights=found_then, kept=kept, **ends)
        found = waits(self.hub.holdings, self.order(), known)
        return {each.server.request_id: each for each in found}


def with_line(hub: SmallHub, line: Iterable[QueuedServer]) -> HubWithLine:
    return HubWithLine(hub, list(line))
